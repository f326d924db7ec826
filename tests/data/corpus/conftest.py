"""Inputs made of bytes, compressed by somebody else's code where their name says so."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from gptcli.data.corpus.finding import find_corpus
from gptcli.data.corpus.inputs import Corpus, TextInput

MakeInput = Callable[..., TextInput]
Find = Callable[..., Corpus]


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


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty directory to work in, called "here"."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


@pytest.fixture
def find(here: None, tmp_path: Path) -> Find:
    """``find("a.txt", "-")``: the corpus of these sources, seen from ``here``."""
    (tmp_path / "spool").mkdir()
    return lambda *sources: find_corpus(sources, tmp_path / "spool")
