"""Small corpora, and datasets of them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gptcli.config.data import PrepareConfig
from gptcli.data.dataset import Dataset
from gptcli.data.preparation.prepare import Preparation, prepare


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """``write("a.txt", "text")``: the path of a new file, as a source."""

    def make(name: str, content: str | bytes) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return make


@pytest.fixture
def records(write: Callable[..., str]) -> Callable[..., str]:
    """``records("a.jsonl", [{...}, ...])``: the path of a file with one JSON object a line."""
    return lambda name, values: write(name, "".join(json.dumps(one) + "\n" for one in values))


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., Dataset]:
    """``build("name", sources, tokenizer=..., val_fraction=..., shard_tokens=...)``."""

    def make(name: str, sources: list[str], *, shard_tokens: int = 2**27, **given: Any) -> Dataset:
        names = ("tokenizer", "read", "arithmetic", "chat_template")
        ours = {key: given.pop(key) for key in names if key in given}
        request = Preparation(sources, config=PrepareConfig(**given), **ours)
        return prepare(request, tmp_path / name, shard_tokens=shard_tokens)

    return make


@pytest.fixture
def tokens() -> Callable[[Dataset, str], np.ndarray]:
    """All ids of a split."""
    return lambda dataset, name: dataset.split(name).read(0, dataset.split(name).n_tokens)


@pytest.fixture
def files_of() -> Callable[[Path], dict[str, bytes]]:
    """Every file of a dataset but its record, which says when it was made."""

    def read(directory: Path) -> dict[str, bytes]:
        found = (path for path in sorted(directory.rglob("*")) if path.is_file())
        return {
            path.relative_to(directory).as_posix(): path.read_bytes()
            for path in found
            if path.name != "dataset.json"
        }

    return read
