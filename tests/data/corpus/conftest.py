"""Inputs made of bytes, compressed by somebody else's code where their name says so."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from gptcli.data.corpus.inputs import TextInput, find_corpus

MakeInput = Callable[..., TextInput]


@pytest.fixture
def make_input(tmp_path: Path) -> MakeInput:
    """``make_input(b"...", "input.txt.gz")``: a file of that content, as it is found."""

    def make(content: bytes, name: str = "input.txt") -> TextInput:
        path = tmp_path / name
        if path.suffix == ".gz":
            content = gzip.compress(content, 1)
        elif path.suffix == ".zst":
            content = zstandard.ZstdCompressor(level=1).compress(content)
        path.write_bytes(content)
        return find_corpus([str(path)], tmp_path).inputs[0]

    return make
