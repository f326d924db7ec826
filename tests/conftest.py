"""What tests share: the command line in this process or another, and the folder beside the repo."""

import io
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from gptcli.cli import main

SHARED = Path(__file__).resolve().parents[2] / "shared"


@dataclass(frozen=True)
class Outcome:
    """What a command left: its exit code and its two streams."""

    code: int
    stdout: str
    stderr: str


@pytest.fixture
def shared() -> Path:
    """The folder of corpora and reference figures beside the repository; skips without it."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is not there: its corpora and figures are not part of gptcli")
    return SHARED


@pytest.fixture
def cli(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """``cli("prepare", "input.txt", stdin=...)``: in this process, in an empty directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")

    def run(*argv: object, stdin: str | bytes = b"") -> Outcome:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "argv", ["gptcli", *map(str, argv)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main()
        streams = capsys.readouterr()
        code = stopped.value.code
        return Outcome(code if isinstance(code, int) else 0, streams.out, streams.err)

    return run


@pytest.fixture
def run_gptcli(tmp_path: Path) -> Callable[..., Outcome]:
    """``run_gptcli("prepare", "input.txt", cwd=..., env={...})``: as a process of its own."""

    def run(
        *argv: object,
        cwd: Path = tmp_path,
        env: dict[str, str] | None = None,
        stdin: str | bytes = b"",
        timeout: float = 120,
    ) -> Outcome:
        done = subprocess.run(
            [sys.executable, "-m", "gptcli", *map(str, argv)],
            cwd=cwd,
            env={**os.environ, "PYTHONUTF8": "1", **(env or {})},
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run
