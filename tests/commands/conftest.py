"""A prepared text and a trained run, as small as they can be."""

from pathlib import Path

import pytest


@pytest.fixture
def text() -> str:
    return "".join(f"LINE {n}:\nthe {n} cats ate {n * n} rats.\n\n" for n in range(300))


@pytest.fixture
def tiny() -> tuple[object, ...]:
    return (
        "--n-layer", 1, "--n-head", 2, "--n-embd", 16, "--block-size", 16, "--batch-size", 4,
        "--precision", "float32",
    )  # fmt: skip


@pytest.fixture
def prepared(cli, tmp_path: Path, text) -> Path:
    (tmp_path / "input.txt").write_text(text)
    assert cli("prepare", "input.txt").code == 0
    return tmp_path


@pytest.fixture
def trained(cli, prepared: Path, tiny) -> Path:
    done = cli("train", *tiny, "--family", "gpt2", "--max-iters", 20, "--eval-interval", 10)
    assert done.code == 0, done.stderr
    return prepared
