"""Training at nanoGPT's CPU setting: throughput in turn with nanoGPT's train.py, and the loss."""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from tests.benchmarks.contestants import (
    CPU_SETTING,
    Contestant,
    Length,
    gptcli,
    nanogpt,
    ours,
    prepare,
)
from tests.benchmarks.machine import print_title
from tests.benchmarks.timing import print_steps, take_turns

_LENGTH = Length(400, 40)
_ROUNDS = 5
_STEPS = 2000


def run(
    folder: Path, peer: Path | None, length: Length = _LENGTH, rounds: int | None = None
) -> None:
    """Print milliseconds per step in turn."""
    prepare(folder)
    print_title("training: 4 layers, 4 heads, 128 wide, block 64, batch 12, float32")
    setting = CPU_SETTING
    contestants: dict[str, Contestant] = {
        "gptcli": ours(folder, setting, length, "float32", "auto"),
        "gptcli compiled": ours(folder, setting, length, "float32", "on"),
    }
    if peer is not None:
        for name, compiled in (("nanoGPT", False), ("nanoGPT compiled", True)):
            contestants[name] = nanogpt(folder, peer, setting, length, "float32", compiled)
    print_steps(take_turns(contestants, rounds or _ROUNDS), setting.tokens)


def run_whole(folder: Path, steps: int = _STEPS) -> None:
    """Print what 2,000 steps at that size reach, and what evaluating costs."""
    prepare(folder)
    print_title(f"training: the same model, {steps:,} steps, all else by default")
    sizes = ("--n-layer", 4, "--n-head", 4, "--n-embd", 128, "--block-size", 64)
    flags = ("--batch-size", 12, "--dropout", 0, "--family", "gpt2", "--max-iters", steps)
    started = time.perf_counter()
    gptcli(folder, "train", "data/input", *sizes, *flags, "--out", "runs/bench", "--overwrite")
    seconds = time.perf_counter() - started
    written = (folder / "runs/bench/metrics.jsonl").read_text().splitlines()
    lines = [json.loads(line) for line in written]
    losses = [line["val_loss"] for line in lines if "val_loss" in line]
    paces = [line["tokens_per_second"] for line in lines if "lr" in line]
    stepping = steps * CPU_SETTING.tokens / statistics.mean(paces)
    evaluating = _one_evaluation(folder) * len(losses)
    print(f"  {steps:,} steps: best val loss {min(losses):.4f} in {seconds:.0f} s")
    print(
        f"  steps {stepping:.0f} s; {len(losses)} evaluations of the whole val split "
        f"{evaluating:.1f} s = {100 * evaluating / seconds:.1f} % of the run"
    )


def _one_evaluation(folder: Path) -> float:
    code = (
        "import time\nfrom pathlib import Path\n"
        "from gptcli.data.dataset import Dataset\n"
        "from gptcli.evaluation.loss import evaluate_split\n"
        "from gptcli.generation.loaded_model import load_model\n"
        "model = load_model(Path('runs/bench'), 'cpu').model\n"
        "val = Dataset.open(Path('data/input')).val\n"
        "evaluate_split(model, val, 'cpu', max_batches=2)\n"
        "started = time.perf_counter()\n"
        "evaluate_split(model, val, 'cpu')\n"
        "print(time.perf_counter() - started)\n"
    )
    command = [sys.executable, "-c", code]
    return float(subprocess.run(command, cwd=folder, check=True, capture_output=True).stdout)
