"""An iteration of GRPO on sums of two digits, beside TRL's GRPOTrainer on the same weights.

Both write 256 answers, 8 to a question, and learn each four times, in float32.
"""

import json
import statistics
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from gptcli.config.checks import flag
from tests.benchmarks.contestants import gptcli, output
from tests.benchmarks.machine import print_title
from tests.benchmarks.timing import print_lead, spread, take_turns

_ROUNDS = 3
_WARMUP = 2  # iterations
_PEER = Path(__file__).with_name("peer_grpo.py")


@dataclass(frozen=True)
class Iteration:
    """What an iteration does, with the defaults of ``gptcli train --objective grpo``."""

    batch_size: int = 256
    grad_accum: int = 1
    group_size: int = 8
    epochs: int = 4
    max_new_tokens: int = 4
    lr: float = 1.6e-4


def run(
    folder: Path, rounds: int | None = None, pretraining: int = 130, iterations: int = 12
) -> None:
    """Print the seconds of an iteration of both, in turn."""
    sizes = ("--family", "llama", "--n-layer", 4, "--n-embd", 128)
    gptcli(folder, "prepare", "addition", "--digits", 2, "--out", "data/sums")
    gptcli(
        folder, "train", "data/sums", *sizes, "--optimizer", "muon", "--max-iters", pretraining,
        "--out", "runs/sums", "-q",
    )  # fmt: skip
    contestants = {
        "gptcli": lambda: _ours(folder, Iteration(), iterations),
        "TRL": lambda: _trl(folder, Iteration(), iterations),
        "TRL in four parts": lambda: _trl(folder, Iteration(64, 4), iterations),
    }
    measured = take_turns(contestants, rounds or _ROUNDS)
    print_title("grpo: an iteration of 256 answers to sums, each learnt four times")
    for name, values in measured.items():
        print(f"  {name:<20}{spread(values, 1000, ' ms')}", flush=True)
    print_lead({name: statistics.median(values) for name, values in measured.items()}, "gptcli")


def _ours(folder: Path, iteration: Iteration, iterations: int) -> float:
    flags = [part for name, value in asdict(iteration).items() for part in (flag(name), value)]
    gptcli(
        folder, "train", "--objective", "grpo", "--init-from", "runs/sums", "--data", "data/sums",
        *flags, "--max-iters", iterations, "--eval-interval", iterations, "--eval-batches", 1,
        "--out", "runs/grpo", "--overwrite", "-q",
    )  # fmt: skip
    lines = (folder / "runs/grpo/metrics.jsonl").read_text(encoding="utf-8").splitlines()
    rates = [one["rollouts_per_second"] for one in map(json.loads, lines) if "lr" in one]
    rate: float = statistics.median(rates[_WARMUP:])
    return iteration.batch_size * iteration.grad_accum / rate


def _trl(folder: Path, iteration: Iteration, iterations: int) -> float:
    work: Mapping[str, object] = {
        **asdict(iteration), "iterations": iterations, "questions": _questions(),
        "checkpoint": str(folder / "runs" / "sums"),
    }  # fmt: skip
    printed = output([sys.executable, str(_PEER), json.dumps(work)], folder)
    seconds: list[float] = json.loads(printed.splitlines()[-1])
    return statistics.median(seconds[_WARMUP:])


def _questions() -> list[dict[str, str]]:
    """Sums of two digits, as many as the iterations can want."""
    pairs = [(a, b) for a in range(10, 100, 3) for b in range(10, 100, 7)]
    return [{"prompt": f"{a}+{b}=", "answer": str(a + b)} for a, b in pairs]
