"""What differs on Windows and macOS, played on this system."""

import errno
import os
import signal
import tomllib
from pathlib import Path

import pytest
import torch
from packaging.requirements import Requirement
from torch.torch_version import TorchVersion

from gptcli import cli
from gptcli.errors import ResourceError, UsageError
from gptcli.runtime import files
from gptcli.runtime.device import choose_device
from gptcli.runtime.directories import new_directory
from gptcli.runtime.files import write_bytes
from gptcli.runtime.signals import stop_requests

PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


class Windows:
    """The module ``os`` of a Windows on which so many renames are refused."""

    name = "nt"

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.pauses: list[float] = []

    def __getattr__(self, name: str) -> object:
        return getattr(os, name)

    def replace(self, source: Path, target: Path) -> None:
        if self.refusals:
            self.refusals -= 1
            raise PermissionError(errno.EACCES, "in use by another process")
        os.replace(source, target)


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch):
    def make(refusals: int) -> Windows:
        system = Windows(refusals)
        monkeypatch.setattr(files, "os", system)
        monkeypatch.setattr(files.time, "sleep", system.pauses.append)
        return system

    return make


@pytest.mark.parametrize("refusals", [0, 1, 6])
def test_windows_renames_again_what_a_scanner_has_open(windows, tmp_path, refusals) -> None:
    system = windows(refusals)
    write_bytes(tmp_path / "x", b"new")
    assert (tmp_path / "x").read_bytes() == b"new"
    assert system.pauses == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6][:refusals]
    system.refusals = refusals
    with new_directory(tmp_path / "folder") as folder:
        (folder / "y").write_bytes(b"")
    assert [*(tmp_path / "folder").iterdir()] == [tmp_path / "folder" / "y"]


def test_windows_gives_up_after_some_seconds_and_keeps_the_old_file(windows, tmp_path) -> None:
    (tmp_path / "x").write_bytes(b"old")
    windows(100)
    with pytest.raises(ResourceError, match=r"not allowed to write .*x \(in use by"):
        write_bytes(tmp_path / "x", b"new")
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"old"]


def test_elsewhere_a_refused_rename_is_an_error_at_once(windows, tmp_path) -> None:
    system = windows(1)
    system.name = "posix"
    with pytest.raises(ResourceError, match="not allowed"):
        write_bytes(tmp_path / "x", b"new")
    assert system.pauses == []


def test_ctrl_break_stops_as_ctrl_c_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "SIGBREAK", signal.SIGUSR2, raising=False)
    with stop_requests() as stop:
        os.kill(os.getpid(), signal.SIGUSR2)
        assert stop.signal_name == "SIGUSR2"


@pytest.mark.parametrize(
    ("system", "error", "code"),
    [
        ("nt", OSError(errno.EINVAL, "Invalid argument"), 141),
        ("nt", BrokenPipeError(errno.EPIPE, "Broken pipe"), 141),
        ("nt", OSError(errno.EINVAL, "Invalid argument", "a<b.txt"), 5),
        ("posix", OSError(errno.EINVAL, "Invalid argument"), 5),
        ("posix", BrokenPipeError(errno.EPIPE, "Broken pipe"), 141),
    ],
)
def test_a_closed_pipe_is_told_from_other_errors(monkeypatch, system, error, code) -> None:
    monkeypatch.setattr(cli.os, "name", system)
    monkeypatch.setattr(cli.os, "dup2", lambda *given: None)
    assert cli._report(error) == code


def torch_of(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(torch, "__version__", TorchVersion(version))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)


def test_apples_gpu_is_not_used_by_a_torch_that_attends_wrongly(monkeypatch) -> None:
    torch_of(monkeypatch, "2.12.1")
    assert choose_device("auto").value == "cpu"
    with pytest.raises(UsageError, match=r"--device mps needs torch 2\.13 or newer, here is 2\.12"):
        choose_device("mps")
    torch_of(monkeypatch, "2.13.0")
    assert choose_device("auto").value == choose_device("mps").value == "mps"


def test_on_a_mac_a_torch_that_attends_rightly_is_installed() -> None:
    wanted = tomllib.loads(PROJECT.read_text())["project"]["dependencies"]
    torches = [one for one in map(Requirement, wanted) if one.name == "torch"]

    def allowed(version: str, platform: str) -> bool:
        here = [one for one in torches if not one.marker or one.marker.evaluate(_on(platform))]
        return all(version in one.specifier for one in here)

    assert [allowed(version, "darwin") for version in ("2.12.1", "2.13.0")] == [False, True]
    assert [allowed(version, "linux") for version in ("2.9", "2.10.0")] == [False, True]


def _on(platform: str) -> dict[str, str]:
    return {"sys_platform": platform}
