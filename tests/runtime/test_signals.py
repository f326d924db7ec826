"""Signals set a flag; handlers are put back."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gptcli.runtime.signals import stop_requests


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_noted_and_does_not_interrupt(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with stop_requests() as stop:
        assert not stop
        os.kill(os.getpid(), number)
        assert stop.signal_name == number.name
    assert signal.getsignal(number) is before


def test_a_second_ctrl_c_interrupts() -> None:
    with pytest.raises(KeyboardInterrupt), stop_requests():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)


def started(script: str, *argv: str) -> subprocess.CompletedProcess[str]:
    """A process that hears signals from its start and imports a module that gets one."""
    before = "from gptcli.runtime.signals import guard_start\nimport os, signal, sys\n"
    return subprocess.run(
        [sys.executable, "-c", before + script, *argv],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.fixture
def swallowing(tmp_path: Path) -> Path:
    """A package that catches all that is raised while it is imported, as some of torch's do."""
    (tmp_path / "swallowing.py").write_text(
        "import os, sys\ntry:\n    os.kill(os.getpid(), int(sys.argv[2]))\n"
        "except BaseException:\n    pass\n"
    )
    return tmp_path


@pytest.mark.parametrize(
    ("is_training", "number", "code", "says"),
    [
        (False, signal.SIGINT, 130, "error: interrupted\n"),
        (True, signal.SIGINT, 130, "error: interrupted\n"),
        (True, signal.SIGTERM, 75, "stopped by SIGTERM before the first step: nothing was saved"),
        (True, signal.SIGHUP, 75, "stopped by SIGHUP"),
        (True, signal.SIGUSR1, 75, "stopped by SIGUSR1"),
        (False, signal.SIGTERM, -signal.SIGTERM, ""),
    ],
)
def test_a_signal_during_an_import_is_never_lost(swallowing, is_training, number, code, says):
    script = f"guard_start({is_training})\nsys.path.insert(0, sys.argv[1])\nimport swallowing"
    done = started(script, str(swallowing), str(int(number)))
    assert done.returncode == code
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_outside_an_import_ctrl_c_is_an_exception_that_clears_up() -> None:
    script = """
guard_start(False)
try:
    os.kill(os.getpid(), signal.SIGINT)
except KeyboardInterrupt:
    print("cleared up")
"""
    assert started(script).stdout == "cleared up\n"


def test_after_training_the_start_is_over() -> None:
    script = """
from gptcli.runtime.signals import stop_requests
guard_start(True)
with stop_requests():
    pass
os.kill(os.getpid(), signal.SIGTERM)
"""
    assert started(script).returncode == -signal.SIGTERM


def test_a_signal_that_is_ignored_on_purpose_stays_ignored() -> None:
    script = """
signal.signal(signal.SIGINT, signal.SIG_IGN)
guard_start(True)
os.kill(os.getpid(), signal.SIGINT)
print("going on")
"""
    assert started(script).stdout == "going on\n"
