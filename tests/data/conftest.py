"""A text and its dataset, small enough to read."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gptcli.data.dataset import Dataset

TEXT = "First Citizen:\nBefore we proceed any further, hear me speak.\n" * 4


@pytest.fixture
def make_dataset(prepare_string, tmp_path: Path) -> Callable[..., Dataset]:
    def make(name: str = "set", text: str = TEXT, **options) -> Dataset:
        return prepare_string(text, tmp_path / name, **options)

    return make
