"""A text, and a tokenizer that was trained on it."""

from pathlib import Path

import pytest


@pytest.fixture
def bpe_text() -> str:
    return "the cats sat on the mats while seven other rats were eating all of our bread\n" * 20


@pytest.fixture
def bpe(cli, bpe_text: str) -> str:
    Path("a.txt").write_text(bpe_text)
    assert cli("tokenize", "--train", "bpe:280", "--file", "a.txt", "--out", "tok").code == 0
    return "tok"
