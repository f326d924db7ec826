"""What a save costs at the lecture's size: time, memory, and the time to go on from it."""

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from gptcli.checkpoint.publish import publish_weights
from gptcli.checkpoint.resume import Progress, Snapshot, save_step
from gptcli.checkpoint.tensors import Weights, not_finite
from gptcli.config.model import ModelConfig
from gptcli.model.initialization import new_model
from gptcli.tokenization.trainer import character_tokenizer
from tests.benchmarks.contestants import prepare
from tests.benchmarks.first_step import LEAVES
from tests.benchmarks.machine import print_title
from tests.benchmarks.timing import spread, take_turns, time_in_turn

LECTURE = ModelConfig(n_layer=6, n_head=6, n_embd=384, block_size=256, vocab_size=65)
_ROUNDS = 7
_STEPS_BETWEEN, _STEP_SECONDS = 250, 3.1  # of the lecture's run, on two cores


def run(folder: Path, rounds: int | None = None, model: ModelConfig = LECTURE) -> None:
    """Print a save's time beside a plain write, its memory, and the start of a resumed run."""
    rounds = rounds or _ROUNDS
    weights, optimizer = _state(model)
    save, n_bytes = _saver(folder / "saved", model, weights, optimizer)
    seconds = take_turns(
        {"gptcli's save": save, "the same bytes and fsync": lambda: _plain(folder, n_bytes)}, rounds
    )
    print_title(f"a save of {n_bytes / 1e6:,.0f} MB: weights twice, moments once")
    for name, values in seconds.items():
        print(f"  {name:<32}{spread(values, 1000, ' ms')}")
    ours, plain = (statistics.median(values) for values in seconds.values())
    share = ours / (_STEPS_BETWEEN * _STEP_SECONDS)
    print(f"  {ours / plain:.2f}x; {share:.2%} of {_STEPS_BETWEEN} steps of {_STEP_SECONDS} s")
    n_weights = sum(tensor.nbytes for tensor in weights.values())
    print(f"  memory: {_memory() / n_weights:.2f} of the weights' bytes above those in training")
    _print_starts(folder, rounds)


def _state(config: ModelConfig) -> tuple[Weights, Weights]:
    weights = {name: one.detach() for name, one in new_model(config, 0).named_parameters()}
    moments = {f"{name}.{kind}": one.clone() for name, one in weights.items() for kind in "mv"}
    return weights, moments


def _saver(
    run: Path, config: ModelConfig, weights: Weights, optimizer: Weights
) -> tuple[Callable[[], float], int]:
    """A function that saves what the loop does at an evaluation, and the bytes that it writes."""
    run.mkdir(parents=True)
    tokenizer = character_tokenizer([chr(97 + number) for number in range(config.vocab_size)])
    step = 0

    def save() -> float:
        nonlocal step
        step += 1
        started = time.perf_counter()
        assert not_finite({**weights, **optimizer}) is None
        publish_weights(run, weights, config, step)
        save_step(run, Snapshot(config, Progress(step), weights, optimizer), tokenizer, keep=2)
        return time.perf_counter() - started

    n_bytes = sum(2 * one.nbytes for one in weights.values())
    return save, n_bytes + sum(one.nbytes for one in optimizer.values())


def _plain(folder: Path, n_bytes: int) -> float:
    content, started = bytes(n_bytes), time.perf_counter()
    with (folder / "plain").open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return time.perf_counter() - started


def _memory() -> int:
    """The bytes that a save takes above the weights and moments, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", "from tests.benchmarks.saving import measure; measure()"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return int(done.stdout)


def measure() -> None:
    """Print by how many bytes a save raises the peak memory of this process."""
    import tempfile

    torch.set_num_threads(1)
    weights, optimizer = _state(LECTURE)
    with tempfile.TemporaryDirectory() as folder:
        save, _ = _saver(Path(folder) / "saved", LECTURE, weights, optimizer)
        before = _peak()
        save()
        print(_peak() - before)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _print_starts(folder: Path, rounds: int) -> None:
    """The time to the first step of a new run and of one that is resumed."""
    prepare(folder)
    sizes = ("--n-layer", "6", "--n-head", "6", "--n-embd", "384", "--block-size", "256")
    flags = ("data/input", *sizes, "--family", "gpt2", "--batch-size", "64", "--compile", "off")
    more = ("--eval-batches", "1", "--max-iters", "5000", "-q")
    train = [sys.executable, "-c", LEAVES, "train"]
    fresh = [*train, *flags, *more, "--out", "runs/first", "--overwrite"]
    time_in_turn({"": fresh}, 1, folder)
    resumed = [*train, "--resume", "runs/saved", "-q"]
    (folder / "runs" / "first").rename(folder / "runs" / "saved")
    seconds = time_in_turn({"a new run": fresh, "a resumed run": resumed}, rounds, folder)
    print_title("to the first step, whole process")
    for name, values in seconds.items():
        print(f"  {name:<32}{spread(values, 1000, ' ms')}")
