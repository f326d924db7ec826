"""Reading a dataset: ``data/NAME/`` with its record, its tokenizer and its tokens."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from gptcli.data.dataset_files import check_shards, read_record, read_tokenizer
from gptcli.data.dataset_record import SPLITS, DatasetRecord
from gptcli.data.token_split import TokenSplit
from gptcli.errors import UsageError
from gptcli.tokenization.tokenizer import Tokenizer


class Dataset:
    """An opened dataset; make one with ``Dataset.open``."""

    def __init__(self, directory: Path, record: DatasetRecord, tokenizer: Tokenizer) -> None:
        self.directory = directory
        self.record = record
        self.tokenizer = tokenizer

    @classmethod
    def open(cls, directory: Path) -> "Dataset":
        """Open and check all that can be checked without reading the tokens.

        Raises UsageError where there is no dataset, DataError where its files are not what
        dataset.json says, CheckpointError where tokenizer.json is another one.
        """
        record = read_record(directory)
        for split in SPLITS:
            check_shards(directory, split, record)
        return cls(directory, record, read_tokenizer(directory, record))

    @property
    def vocab_size(self) -> int:
        """Ids are below this."""
        return self.record.vocab_size

    @property
    def identity(self) -> str:
        """Sha256 of the content: dtype, tokenizer and the checksums of the files."""
        return self.record.identity

    @property
    def source(self) -> Mapping[str, Any]:
        """Name, sha256, bytes and characters of the text."""
        return self.record.source

    @cached_property
    def train(self) -> TokenSplit:
        """What a model learns from."""
        return self.split("train")

    @cached_property
    def val(self) -> TokenSplit:
        """What it is measured on; without tokens after ``--val-fraction 0``."""
        return self.split("val")

    def split(self, name: str) -> TokenSplit:
        """The split of that name; UsageError for another name than train and val."""
        if name not in SPLITS:
            raise UsageError(f"split {name} is unknown: choose one of {', '.join(SPLITS)}")
        return TokenSplit(self.directory, name, self.record)
