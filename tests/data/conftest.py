"""A text and its dataset, small enough to read."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gptcli.data.dataset import Dataset
from gptcli.data.preparation.single_text import prepare_text
from gptcli.data.text import whole_text
from gptcli.data.tokenization.characters import character_tokenizer

TEXT = "First Citizen:\nBefore we proceed any further, hear me speak.\n" * 4


@pytest.fixture
def make_dataset(tmp_path: Path) -> Callable[..., Dataset]:
    def make(name: str = "set", text: str = TEXT, **options) -> Dataset:
        source = whole_text(text, name)
        return prepare_text(source, character_tokenizer(text), tmp_path / name, **options)

    return make
