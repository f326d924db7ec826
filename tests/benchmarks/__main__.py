"""``make bench``: prints figures; nothing here passes or fails.

    python -m tests.benchmarks [NANOGPT] [SUBJECT ...] [--help]

With a checkout of nanoGPT, its scripts run in turn with ours. Without a subject the short ones
run, about an hour together; the long ones run when they are named. The corpus is that of
../shared if it is there, else Python's own standard library. Close everything else first.
"""

import argparse
import platform
import shlex
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.benchmarks import (
    attention,
    data,
    evaluation,
    first_step,
    group_policy,
    lecture,
    long_runs,
    rollouts,
    sampling,
    saving,
    startup,
    training,
)
from tests.benchmarks.contestants import ROOT
from tests.benchmarks.machine import processor
from tests.benchmarks.records import Records

SHORT = ("startup", "data", "training", "loss", "evaluation", "sampling", "rollouts", "attention")
LONG = {
    "lecture": "a step of the lecture's size beside all peers, and of the matrix peak",
    "first-step": "from the start of the process to the first step",
    "saving": "a save at the lecture's size, and the start of a resumed run",
    "grpo": "an iteration of GRPO beside TRL's",
    "plain": "gptcli train --n-layer 6 --n-head 6",
    "timed": "gptcli train --time-budget TIME, beside nanoGPT's time to 1.48",
    "presets": "time budgets beside fixed models on four kinds of text",
    "precision": "the loss of the lecture's size in bfloat16 and float32",
}


def main() -> None:
    asked = parser().parse_args()
    words: list[str] = asked.words
    subjects = {word for word in words if word in (*SHORT, *LONG)} or {*SHORT}
    places = [word for word in words if word not in (*SHORT, *LONG)]
    peer = Path(places[0]).resolve() if places else None
    if peer is not None and not (peer / "train.py").exists():
        raise SystemExit(f"{peer} is no subject and no checkout of nanoGPT")
    print(f"{platform.platform()}, Python {platform.python_version()}, {processor()}")
    with tempfile.TemporaryDirectory() as folder:
        for name, measure in _subjects(asked, Path(folder), peer).items():
            if name in subjects:
                measure()


def _subjects(
    asked: argparse.Namespace, folder: Path, peer: Path | None
) -> Mapping[str, Callable[[], None]]:
    """Every subject by name, in the order in which they run."""

    def records() -> Records:
        return Records(asked.folder.resolve())

    def seeds(usual: tuple[int, ...]) -> tuple[int, ...]:
        return asked.seeds or usual

    def times(*usual: str) -> tuple[str, ...]:
        return asked.times or usual

    three = (1, 2, 3)
    return {
        "startup": startup.run,
        "first-step": lambda: first_step.run(folder, asked.rounds),
        "saving": lambda: saving.run(folder, asked.rounds),
        "data": lambda: data.run(folder, peer),
        "training": lambda: training.run(folder, peer, rounds=asked.rounds),
        "loss": lambda: training.run_whole(folder),
        "lecture": lambda: lecture.run(folder, lecture.Peers(peer, asked.litgpt), asked.rounds),
        "evaluation": lambda: evaluation.run(folder),
        "sampling": lambda: sampling.run(folder, peer, asked.run),
        "rollouts": lambda: rollouts.run(asked.rounds),
        "attention": lambda: attention.run(folder, asked.rounds),
        "grpo": lambda: group_policy.run(folder, asked.rounds),
        "timed": lambda: long_runs.run_timed(
            records(), peer, seeds(three), times("3m"), asked.flags
        ),
        "plain": lambda: long_runs.run_plain(records(), seeds(three), times(), asked.flags),
        "presets": lambda: long_runs.run_presets(records(), seeds((1,)), times("1m", "3m", "10m")),
        "precision": lambda: long_runs.run_precision(records(), seeds((1,)), asked.steps),
    }


def parser() -> argparse.ArgumentParser:
    about = "; ".join(f"{name}: {what}" for name, what in LONG.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description=f"Short subjects: {', '.join(SHORT)}. Long ones: {about}.",
    )
    add = parser.add_argument
    add("words", nargs="*", metavar="NANOGPT|SUBJECT", help="a checkout of nanoGPT; subjects")
    add(
        "--rounds",
        type=int,
        help="turns of every contestant, where there are rounds",
    )
    add("--litgpt", metavar="PYTHON", help="an interpreter that has litgpt (lecture)")
    add("--run", type=Path, help="the plain command's run (sampling; else one of a step is made)")
    add("--seeds", type=_numbers, help="such as 1,2,3 (long runs)")
    add("--times", type=_words, help="such as 2m,3m,15m (long runs)")
    add("--flags", type=shlex.split, default=(), help="more flags of train (timed, plain)")
    add("--steps", type=int, default=300, help="of a run in each precision; default: 300")
    add(
        "--folder", type=Path, default=ROOT / "build" / "benchmarks",
        help="where long runs and their results.jsonl are kept; default: build/benchmarks",
    )  # fmt: skip
    return parser


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(","))


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


if __name__ == "__main__":
    main()
