"""Training at nanoGPT's CPU setting: throughput in turn with nanoGPT's train.py, and the loss."""

import json
import pickle
import re
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from tests.benchmarks.timing import spread

_SHAKESPEARE = Path(__file__).resolve().parents[3] / "shared" / "data" / "tinyshakespeare.txt"
_SIZES = {"n_layer": 4, "n_head": 4, "n_embd": 128, "block_size": 64, "batch_size": 12}
_TOKENS_PER_STEP = _SIZES["block_size"] * _SIZES["batch_size"]
_ROUNDS = 5
_STEPS = 400


def run(folder: Path, peer: Path | None) -> None:
    """Print milliseconds per step in turn, then a whole run of 2,000 steps."""
    source = str(_SHAKESPEARE) if _SHAKESPEARE.exists() else "python"
    _gptcli(folder, "prepare", source, "--out", "data/input")
    print("\ntraining: 4 layers, 4 heads, 128 wide, block 64, batch 12, float32")
    contestants = {"gptcli": lambda: _ours(folder, _STEPS, "float32")}
    if peer is not None:
        _give_data(folder, peer)
        contestants["nanoGPT"] = lambda: _nanogpt(peer, compiled=False)
        contestants["nanoGPT compiled"] = lambda: _nanogpt(peer, compiled=True)
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(_ROUNDS):
        for name, measure in contestants.items():
            times[name].append(measure())
    for name, values in times.items():
        pace = _TOKENS_PER_STEP / statistics.median(values)
        print(f"  {name:<20}{spread(values, 1000, ' ms')} a step, {pace:,.0f} tokens/s")
    _whole_run(folder)


def _ours(folder: Path, steps: int, precision: str) -> float:
    """Median seconds per step, as the run's own metrics say."""
    flags = ("--max-iters", steps, "--eval-interval", steps, "--eval-batches", 1)
    _train(folder, *flags, "--precision", precision)
    lines = _metrics(folder)
    paces = [line["tokens_per_second"] for line in lines if "tokens_per_second" in line]
    return _TOKENS_PER_STEP / statistics.median(paces)


def _whole_run(folder: Path) -> None:
    """What 2,000 steps reach, and what evaluating costs."""
    started = time.perf_counter()
    _train(folder, "--max-iters", 2000)
    seconds = time.perf_counter() - started
    lines = _metrics(folder)
    losses = [line["val_loss"] for line in lines if "val_loss" in line]
    paces = [line["tokens_per_second"] for line in lines if "tokens_per_second" in line]
    stepping = 2000 * _TOKENS_PER_STEP / statistics.mean(paces)
    evaluating = _one_evaluation(folder) * len(losses)
    print(f"  2,000 steps: best val loss {min(losses):.4f} in {seconds:.0f} s")
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


def _train(folder: Path, *flags: object) -> None:
    sizes = [part for name, size in _SIZES.items() for part in (_flag(name), size)]
    _gptcli(folder, "train", *sizes, "--dropout", 0, *flags, "--out", "runs/bench", "--overwrite")


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _gptcli(folder: Path, *argv: object) -> None:
    command = [sys.executable, "-m", "gptcli", *map(str, argv)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def _metrics(folder: Path) -> list[dict[str, float]]:
    text = (folder / "runs/bench/metrics.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def _give_data(folder: Path, peer: Path) -> None:
    """nanoGPT reads our shards; it wants the vocabulary's size in a pickle."""
    target = peer / "data" / "gptcli_bench"
    target.mkdir(exist_ok=True)
    for split in ("train", "val"):
        shutil.copy(folder / "data/input" / split / "part-00000.bin", target / f"{split}.bin")
    size = json.loads((folder / "data/input/dataset.json").read_text())["vocab_size"]
    (target / "meta.pkl").write_bytes(pickle.dumps({"vocab_size": size}))


def _nanogpt(peer: Path, compiled: bool) -> float:
    """Median seconds per iteration, as nanoGPT prints them."""
    sizes = [f"--{name}={size}" for name, size in _SIZES.items()]
    command = [
        sys.executable, "train.py", "config/train_shakespeare_char.py", "--device=cpu",
        f"--compile={compiled}", "--dataset=gptcli_bench", "--out_dir=out-gptcli-bench",
        "--eval_iters=1", f"--eval_interval={_STEPS}", "--log_interval=1", "--dropout=0.0",
        f"--max_iters={_STEPS}", f"--lr_decay_iters={_STEPS}", *sizes,
    ]  # fmt: skip
    printed = subprocess.run(command, cwd=peer, check=True, capture_output=True, text=True).stdout
    times = [float(ms) for ms in re.findall(r"time ([\d.]+)ms", printed)]
    return statistics.median(times[20:]) / 1000
