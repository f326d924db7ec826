"""``train --fsdp``: the same run, whether the model is in parts or whole, and however it ends."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

LONG = 120.0
FLAGS = (
    "--family", "llama", "--n-layer", 2, "--n-head", 2, "--n-embd", 20, "--block-size", 16,
    "--batch-size", 4, "--dropout", 0, "--precision", "float32", "--schedule", "constant",
    "--lr", 1e-3, "--warmup-iters", 0, "--eval-interval", 20, "--eval-batches", 1, "--keep", 9,
)  # fmt: skip


@pytest.fixture
def alone(cli, prepared: Path) -> Path:
    """The same run in one process."""
    done = cli("train", *FLAGS, "--max-iters", 120, "--out", "runs/alone")
    assert done.code == 0, done.stderr
    return prepared


def two(folder: Path, *flags: object) -> list[subprocess.Popen]:
    """Two processes of one run, as torchrun starts them; they write to the files 0 and 1."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    world = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    command = [sys.executable, "-m", "gptcli", "train", "--fsdp", *map(str, flags)]
    started = []
    for rank in range(2):
        with (folder / str(rank)).open("wb") as log:
            place = {"cwd": folder, "stdout": log, "stderr": subprocess.STDOUT}
            own = {**os.environ, **world, "RANK": str(rank), "OMP_NUM_THREADS": "1"}
            started.append(subprocess.Popen(command, env=own, **place))
    return started


@pytest.fixture
def processes() -> Iterator[list[subprocess.Popen]]:
    """A list whose processes do not outlive the test."""
    started: list[subprocess.Popen] = []
    yield started
    for one in started:
        one.kill()


def when(condition: Callable[[], object]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def assert_alike(run: Path, other: Path, step: int) -> None:
    """Weights and moments of a saved step are the same within what sums in another order do."""
    for name in ("model", "optimizer"):
        file = f"resume/step-{step:08}/{name}.safetensors"
        tensors, others = load_file(run / file), load_file(other / file)
        assert tensors.keys() == others.keys()
        for name, tensor in tensors.items():
            torch.testing.assert_close(tensor, others[name], rtol=1e-3, atol=1e-5)


def test_where_one_process_dies_the_other_stops_and_one_alone_goes_on(
    cli, alone: Path, processes
) -> None:
    processes += two(alone, *FLAGS, "--max-iters", 120, "--out", "runs/two")
    when((alone / "runs/two/resume/step-00000020").exists)
    processes[1].send_signal(signal.SIGKILL)
    assert processes[0].wait(LONG) == 75, (alone / "0").read_text()
    assert "another of the 2 processes has ended" in (alone / "0").read_text()
    done = cli("train", "--resume", "runs/two")
    assert done.code == 0, done.stderr
    assert_alike(alone / "runs/two", alone / "runs/alone", 120)


def test_what_one_process_began_goes_on_in_parts_and_stops_when_asked(
    cli, alone: Path, processes
) -> None:
    begun = cli("train", *FLAGS, "--max-iters", 20, "--out", "runs/two")
    assert begun.code == 0, begun.stderr
    processes += two(alone, "--resume", "runs/two", "--max-iters", 120)
    when((alone / "runs/two/resume/step-00000040").exists)
    processes[1].send_signal(signal.SIGTERM)
    assert [one.wait(LONG) for one in processes] == [75, 75], (alone / "0").read_text()
    said = (alone / "0").read_text()
    stopped = int(re.search(r"saved at step (\d+) of 120", said)[1])
    assert 40 <= stopped < 120
    assert (alone / f"runs/two/resume/step-{stopped:08}").exists()
    assert_alike(alone / "runs/two", alone / "runs/alone", 40)
    assert (alone / "1").read_text() == ""


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--fsdp",), "torchrun --nproc-per-node 2 -m gptcli train --fsdp"),
        (("--fsdp", "--compile", "on"), "leave --compile on or --fsdp out"),
        (("--fsdp", "--verify-resume"), "--fsdp"),
    ],
)
def test_what_cannot_be_is_refused(cli, prepared, flags, said: str) -> None:
    refused = cli("train", *flags)
    assert refused.code == 2
    assert said in refused.stderr
