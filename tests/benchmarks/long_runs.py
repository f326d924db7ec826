"""What whole runs reach: the plain command, a given time, and beside fixed presets.

Each subject prints a line for every run while it goes on and a table at its end. Results are
kept in the folder (records.py): when it is stopped, the same command goes on where it was.
"""

import math
import statistics
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.contestants import (
    LECTURE_SIZE,
    SHAKESPEARE,
    SHARED,
    Contestant,
    Length,
    gptcli,
    nanogpt,
    prepare,
)
from tests.benchmarks.machine import print_title
from tests.benchmarks.records import Records, Result
from tests.benchmarks.timing import spread

PLAIN = ("--n-layer", "6", "--n-head", "6")
# The iterations after which nanoGPT's run of the lecture's size is at 1.48.
_NANOGPT_ITERATIONS = 1750
_NANOGPT_LENGTH = Length(5, 2)
_GOAL = 1.48
_SHORT_TEXT = 100_000  # bytes
# What one would type without the plan that --time-budget makes of model and training.
_FIXED = (("--family", "gpt2"), ("--preset", "lecture"))
_PRECISIONS = ("bfloat16", "float32")


def run_plain(
    records: Records, seeds: Sequence[int], times: Sequence[str], more: Sequence[str] = ()
) -> None:
    """``gptcli train --n-layer 6 --n-head 6``, as it is or for given times; ``more`` are flags."""
    _prepare_shakespeare(records.folder)
    print_title("the plain command, Tiny Shakespeare")
    chosen: list[tuple[str, ...]] = [("--time-budget", time) for time in times] or [()]
    for budget in chosen:
        flags = (*PLAIN, *budget, *more)
        _print_mean([records.measured("shakespeare", flags, seed) for seed in seeds])


def run_timed(
    records: Records, peer: Path | None, seeds: Sequence[int], times: Sequence[str],
    more: Sequence[str] = (),
) -> None:  # fmt: skip
    """``gptcli train --time-budget TIME``, in turn with nanoGPT's iterations of the lecture's size.

    nanoGPT's faster way, eager or compiled, times the iterations of its run to 1.48.
    """
    _prepare_shakespeare(records.folder)
    prepare(records.folder)
    print_title("training for a given time, Tiny Shakespeare")
    theirs = {} if peer is None else _nanogpt(records.folder, peer)
    iterations: dict[str, list[float]] = {name: [] for name in theirs}
    done: dict[str, list[Result]] = {time: [] for time in times}
    for seed in seeds:
        for name, measure in theirs.items():
            iterations[name].append(measure())
            print(f"  {name}: {iterations[name][-1]:.2f} s an iteration", flush=True)
        for time, results in done.items():
            results.append(records.measured("shakespeare", ("--time-budget", time, *more), seed))
    for results in done.values():
        _print_mean(results)
    if theirs:
        _print_factor(min(iterations.values(), key=statistics.median), done)


def _nanogpt(folder: Path, peer: Path) -> dict[str, Contestant]:
    """Its train.py at the lecture's size, as it computes on a CPU: in float32."""
    return {
        name: nanogpt(folder, peer, LECTURE_SIZE, _NANOGPT_LENGTH, "float32", compiled)
        for name, compiled in (("nanoGPT", False), ("nanoGPT compiled", True))
    }


def _print_factor(theirs: Sequence[float], done: dict[str, list[Result]]) -> None:
    iteration = statistics.median(theirs)
    whole = iteration * _NANOGPT_ITERATIONS
    print(
        f"  nanoGPT, lecture size: {spread(theirs, unit=' s')} an iteration, "
        f"{whole:,.0f} s for the {_NANOGPT_ITERATIONS:,} to {_GOAL}"
    )
    for time, results in done.items():
        slowest = max(result.seconds for result in results)
        worst = max(result.val_loss for result in results)
        verdict = "reached by all" if worst <= _GOAL else f"not reached, the worst is {worst:.4f}"
        print(f"  {time}: {whole / slowest:.0f}x; {_GOAL} is {verdict}")


def run_presets(records: Records, seeds: Sequence[int], times: Sequence[str]) -> None:
    """``--time-budget`` alone beside fixed models for the same time, on four kinds of text."""
    made = _prepare_texts(records.folder)
    print_title("time budgets beside fixed models")
    rows = []
    for data in made:
        for time in times:
            budget = ("--time-budget", time)
            mean: dict[str, float] = {}
            for name, fixed in (("gptcli", ()), *((" ".join(one), one) for one in _FIXED)):
                mean[name] = _mean_loss(records, data, (*fixed, *budget), seeds)
            best = min(value for name, value in mean.items() if name != "gptcli")
            rows.append((data, time, mean, best))
    print("  mean val loss of the same text in the same time:")
    for data, time, mean, best in rows:
        shown = ", ".join(f"{name} {value:.4f}" for name, value in mean.items())
        verdict = "ahead" if mean["gptcli"] < best else "BEHIND"
        print(f"  {data:<16}{time:>5}  {shown}: {verdict} by {abs(best - mean['gptcli']):.4f}")


def _mean_loss(records: Records, data: str, flags: Sequence[str], seeds: Sequence[int]) -> float:
    """Infinite where the command fails, as a large model does that has no time for a step."""
    try:
        return statistics.mean(records.measured(data, flags, seed).val_loss for seed in seeds)
    except RuntimeError as error:
        print(f"  {data}: {error}", flush=True)
        return math.inf


def run_precision(records: Records, seeds: Sequence[int], steps: int) -> None:
    """Whether the lecture-size model loses anything in bfloat16 beside float32."""
    _prepare_shakespeare(records.folder)
    print_title(f"the lecture's size, {steps} steps in each precision")
    means = {}
    for precision in _PRECISIONS:
        flags = (
            "--family", "gpt2", *LECTURE_SIZE.flags, "--max-iters", str(steps),
            "--eval-interval", str(steps), "--precision", precision,
        )  # fmt: skip
        results = [records.measured("shakespeare", flags, seed) for seed in seeds]
        means[precision] = statistics.mean(result.val_loss for result in results)
    print(f"  bfloat16 - float32: {means['bfloat16'] - means['float32']:+.4f}")


def _print_mean(results: Sequence[Result]) -> None:
    losses = [result.val_loss for result in results]
    seconds = [result.seconds for result in results]
    spoken = ", ".join(f"{loss:.4f}" for loss in losses)
    print(
        f"  {results[0].command}: mean {statistics.mean(losses):.4f}, worst {max(losses):.4f} "
        f"({spoken}); {statistics.mean(seconds):.1f} s, slowest {max(seconds):.1f} s"
    )


def _prepare_shakespeare(folder: Path) -> None:
    source = SHAKESPEARE if SHAKESPEARE.exists() else "python"
    _prepare_once(folder, "shakespeare", source)


def _prepare_texts(folder: Path) -> list[str]:
    """Prepare what is not there yet; returns the names of the datasets."""
    _prepare_shakespeare(folder)
    if not SHARED.is_dir():
        print("only Python's own sources are measured: the corpora of ../shared are not here")
        return ["shakespeare"]
    prose, bpe = SHARED / "wikitext2-valid.txt", folder / "bpe4k"
    if not bpe.exists():
        train = ("--train", "bpe", "--vocab-size", 4096, "--file", prose, "--out", bpe)
        gptcli(folder, "tokenize", *train)
    _prepare_once(folder, "prose-bpe4k", prose, "--tokenizer", bpe)
    _prepare_once(folder, "prose-gpt2", prose, "--tokenizer", SHARED / "gpt2")
    short = folder / "short.txt"
    short.write_bytes(SHAKESPEARE.read_bytes()[:_SHORT_TEXT])
    _prepare_once(folder, "short", short)
    return ["shakespeare", "prose-bpe4k", "prose-gpt2", "short"]


def _prepare_once(folder: Path, name: str, source: object, *flags: object) -> None:
    if not (folder / "data" / name).exists():
        gptcli(folder, "prepare", source, *flags, "--out", f"data/{name}")
