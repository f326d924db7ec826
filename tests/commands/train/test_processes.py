"""``torchrun -m gptcli train``: one run, whatever becomes of its processes."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

LONG = 120.0
FLAGS = (
    "--family", "gpt2", "--n-layer", 1, "--n-head", 2, "--n-embd", 16, "--block-size", 16,
    "--batch-size", 4, "--grad-accum", 2, "--dropout", 0.1, "--max-iters", 60,
    "--eval-interval", 20, "--eval-batches", 1, "--deterministic",
)  # fmt: skip


def weights(run: Path) -> str:
    """The sha256 of the weights after the last step, not of the best."""
    newest = max((run / "resume").iterdir())
    return hashlib.sha256((newest / "model.safetensors").read_bytes()).hexdigest()


@pytest.fixture
def alone(cli, prepared: Path) -> Path:
    """The same run in one process."""
    done = cli("train", *FLAGS, "--out", "runs/alone")
    assert done.code == 0, done.stderr
    return prepared


def torchrun(folder: Path, *flags: object, of_torchrun: tuple[str, ...] = ()) -> subprocess.Popen:
    """Two processes that train; their output goes to ``folder/log``."""
    start = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", *of_torchrun]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [*start, "-m", "gptcli", "train", *map(str, flags)],
            cwd=folder, stdout=log, stderr=subprocess.STDOUT,
            env={**os.environ, "MASTER_PORT": "0"},
        )  # fmt: skip


def when(condition: Callable[[], object]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def children(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in path.read_text().split()]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds processes by /proc")
def test_a_killed_process_is_started_again_and_the_run_goes_on(alone: Path) -> None:
    started = torchrun(alone, *FLAGS, "--out", "runs/two", of_torchrun=("--max-restarts", "1"))
    try:
        when((alone / "runs/two/resume/step-00000020").exists)
        os.kill(children(started.pid)[-1], signal.SIGKILL)
        assert started.wait(LONG) == 0, (alone / "log").read_text()
    finally:
        started.kill()
    assert weights(alone / "runs/two") == weights(alone / "runs/alone")
    log = (alone / "log").read_text()
    assert "resuming runs/two at step" in log
    assert "Traceback" not in log


def test_asked_to_stop_all_stop_at_one_step_and_one_alone_goes_on(cli, alone: Path) -> None:
    started = torchrun(alone, *FLAGS, "--out", "runs/two")
    try:
        when((alone / "runs/two/resume/step-00000020").exists)
        started.send_signal(signal.SIGTERM)
        started.wait(LONG)
    finally:
        started.kill()
    assert "stopped by SIGTERM and saved at step" in (alone / "log").read_text()
    done = cli("train", "--resume", "runs/two")
    assert done.code == 0, done.stderr
    assert weights(alone / "runs/two") == weights(alone / "runs/alone")


def test_pairs_are_shared_as_windows_are(cli, masked_dataset, tmp_path: Path) -> None:
    pairs = [("?" * (n % 5 + 1), "ab" * (n % 3) + "!", "b" * (n % 7) + "!") for n in range(40)]
    masked_dataset(pairs, pairs[:4], name="pairs")
    sizes = ("--n-layer", 1, "--n-head", 2, "--n-embd", 16, "--block-size", 16)
    begun = cli("train", *sizes, "--max-iters", 1, "--data", "data/pairs", "--out", "runs/base")
    assert begun.code == 0, begun.stderr
    flags = (
        "--objective", "dpo", "--init-from", "runs/base", "--data", "data/pairs", "--lr", 0.01,
        "--batch-size", 4, "--grad-accum", 2, "--max-iters", 4, "--deterministic",
    )  # fmt: skip
    done = cli("train", *flags, "--out", "runs/alone")
    assert done.code == 0, done.stderr
    started = torchrun(tmp_path, *flags, "--out", "runs/two")
    try:
        assert started.wait(LONG) == 0, (tmp_path / "log").read_text()
    finally:
        started.kill()
    assert weights(tmp_path / "runs/two") == weights(tmp_path / "runs/alone")


def test_resume_auto_begins_a_run_and_then_continues_it(cli, alone: Path) -> None:
    flags = (*FLAGS, "--out", "runs/auto", "--resume", "auto")
    begun = cli("train", *flags)
    assert begun.code == 0, begun.stderr
    again = cli("train", *flags, "--max-iters", 80)
    assert again.code == 0, again.stderr
    assert "resuming runs/auto at step 60" in again.stderr
    other = cli("train", *flags, "--lr", 0.5)
    assert other.code == 2
    assert "--lr 0.5" in other.stderr


def test_a_restart_continues_the_run_that_resume_names(cli, alone: Path, monkeypatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    done = cli("train", "--resume", "runs/alone", "--max-iters", 62)
    assert done.code == 0, done.stderr
    assert "resuming runs/alone at step 60" in done.stderr
