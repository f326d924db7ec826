"""``train`` as a process: killed, stopped, out of room, unheard; and resumed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest


@pytest.fixture
def long(tiny) -> tuple[object, ...]:
    return (
        *tiny,
        "--family",
        "gpt2",
        "--max-iters",
        400,
        "--eval-interval",
        20,
        "--eval-batches",
        1,
    )


def start(prepared: Path, *flags: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "gptcli", "train", *map(str, flags)],
        cwd=prepared,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


def wait_for_step(prepared: Path, number: int) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        steps = sorted((prepared / "runs/input/resume").glob("step-*"))
        if steps and int(steps[-1].name[5:]) >= number:
            return
        time.sleep(0.02)
    pytest.fail(f"step {number} was never saved")


@pytest.fixture
def straight(cli, prepared: Path, long) -> bytes:
    assert cli("train", *long, "--out", "runs/straight").code == 0
    return (prepared / "runs/straight/resume/step-00000400/model.safetensors").read_bytes()


def test_kill_9_then_resume_ends_like_an_uninterrupted_run(cli, prepared, straight, long) -> None:
    process = start(prepared, *long)
    wait_for_step(prepared, 40)
    process.kill()
    process.wait()
    done = cli("train", "--resume", "runs/input")
    assert done.code == 0, done.stderr
    final = prepared / "runs/input/resume/step-00000400/model.safetensors"
    assert final.read_bytes() == straight
    assert not list((prepared / "runs/input").glob("**/.tmp-*"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop_it_saves_and_says_how_to_go_on(
    cli, prepared, straight, number, long
) -> None:
    process = start(prepared, *long)
    wait_for_step(prepared, 20)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 75
    assert "gptcli train --resume runs/input" in stderr.decode()
    assert "Traceback" not in stderr.decode()
    assert cli("train", "--resume", "runs/input").code == 0
    final = prepared / "runs/input/resume/step-00000400/model.safetensors"
    assert final.read_bytes() == straight


def test_a_run_in_use_is_refused_and_its_holder_named(cli, prepared, long) -> None:
    process = start(prepared, *long, "--max-iters", 100000)
    try:
        wait_for_step(prepared, 0)
        done = cli("train", "--resume", "runs/input")
        assert done.code == 5
        assert str(process.pid) in done.stderr
    finally:
        process.kill()
        process.communicate()


@pytest.mark.skipif(sys.platform == "win32", reason="ulimit is a shell's")
def test_a_file_size_limit_in_a_save_is_exit_5_and_keeps_nothing_half(prepared: Path) -> None:
    flags = " ".join(map(str, ("--n-layer", 2, "--n-embd", 128, "--max-iters", 3)))
    done = subprocess.run(
        f"ulimit -f 100; {sys.executable} -m gptcli train {flags} --block-size 16",
        shell=True,
        executable="/bin/bash",
        cwd=prepared,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 5, done.stderr.decode()
    assert "a bug" not in done.stderr.decode()
    assert not list((prepared / "runs").glob("**/.tmp-*"))
    assert not (prepared / "runs/input/model.safetensors").exists()


def test_training_goes_on_when_nobody_listens(prepared: Path, tiny) -> None:
    flags = " ".join(map(str, (*tiny, "--max-iters", 20)))
    subprocess.run(
        f"{sys.executable} -m gptcli train {flags} 2>&1 >/dev/null | head -1",
        shell=True,
        cwd=prepared,
        capture_output=True,
        check=False,
    )
    assert (prepared / "runs/input/resume/step-00000020").is_dir()


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no SIGHUP here")
def test_nohup_is_respected(prepared: Path, long) -> None:
    command = ["nohup", sys.executable, "-m", "gptcli", "train", *map(str, long)]
    process = subprocess.Popen(
        command, cwd=prepared, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_for_step(prepared, 20)
    process.send_signal(signal.SIGHUP)
    assert process.wait(timeout=90) == 0
