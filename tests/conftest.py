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


@pytest.fixture(scope="session")
def any_model():
    """A strategy of small models, of every family and of none."""
    from hypothesis import strategies as st

    from gptcli.config.model import ModelConfig
    from gptcli.config.rope import RopeScaling

    flag, size = st.booleans(), st.integers(1, 6)

    @st.composite
    def models(draw):
        n_head = draw(st.sampled_from([1, 2, 4]))
        n_embd = n_head * 2 * draw(st.integers(1, 4))
        lm_head, projections = draw(flag), draw(flag)
        inner = st.sampled_from([0, n_embd] if not projections else [None, 0, 1, 7])
        return ModelConfig(
            n_layer=draw(st.integers(1 if lm_head else 0, 4)),
            n_head=n_head,
            n_embd=n_embd,
            block_size=draw(size),
            vocab_size=draw(size) if lm_head else n_embd,
            n_kv_head=draw(st.sampled_from([1, n_head])),
            head_dim=draw(st.sampled_from([None, 2, 6])) if projections else None,
            n_inner=draw(inner),
            positions=draw(st.sampled_from(["learned", "rotary", "none"])),
            rope_scaling=draw(st.sampled_from([None, RopeScaling(8.0, 1.0, 4.0, 32)])),
            norm=draw(st.sampled_from(["layer", "rms", "plain_rms", "none"])),
            activation=draw(st.sampled_from(["gelu", "relu_squared", "silu"])),
            logit_cap=draw(st.sampled_from([None, 15.0])),
            tied=lm_head and draw(flag),
            lm_head_bias=lm_head and draw(flag),
            lm_head=lm_head,
            projections=projections,
            **{name: draw(flag) for name in ("bias", "qkv_bias", "qk_norm", "gated", "residual")},
            **{name: draw(flag) for name in ("embedding_norm", "rope_reversed")},
        )

    return models()


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
