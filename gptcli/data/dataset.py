"""Reading a dataset: ``data/NAME/`` with its record, its tokenizer and its tokens."""

from collections.abc import Mapping
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gptcli.data.dataset_files import check_shards, read_record, read_tokenizer
from gptcli.data.dataset_record import SPLITS, DatasetRecord, SplitRecord
from gptcli.data.tokenization.tokenizer import Tokenizer
from gptcli.errors import DataError, ResourceError, UsageError


class TokenSplit:
    """Tokens 0 to ``n_tokens - 1`` of a split, over as many shards as there are.

    Every read checks that the ids are in the vocabulary, so that a damaged shard ends in a
    DataError with its place and not in a crash of the embedding.
    """

    def __init__(self, directory: Path, record: SplitRecord, dtype: str, vocab_size: int) -> None:
        self._directory = directory
        self._record = record
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._vocab_size = vocab_size
        sizes = (shard.tokens for shard in record.shards)
        self._borders = np.array([0, *accumulate(sizes)], dtype=np.int64)

    @property
    def n_tokens(self) -> int:
        """How many tokens the split has."""
        return self._record.tokens

    @property
    def n_characters(self) -> int:
        """How many characters they are the encoding of."""
        return self._record.characters

    @property
    def n_bytes(self) -> int:
        """How many bytes those characters take in UTF-8."""
        return self._record.bytes

    def read(self, start: int, length: int) -> NDArray[np.int64]:
        """Tokens ``start`` to ``start + length - 1``."""
        tokens = self._copy(start, length)
        self._checked(tokens[None], np.array([start]))
        return tokens

    def gather(self, starts: NDArray[np.int64], length: int) -> NDArray[np.int64]:
        """One row of ``length`` tokens from each start: (len(starts), length)."""
        if len(self._shards) == 1:
            assert starts.size == 0 or starts.min() >= 0, "a window starts before the split"
            windows = np.lib.stride_tricks.sliding_window_view(self._shards[0], length)
            rows: NDArray[np.int64] = windows[starts].astype(np.int64)
        else:
            rows = np.empty((len(starts), length), dtype=np.int64)
            for row, start in zip(rows, starts.tolist(), strict=True):
                row[:] = self._copy(start, length)
        return self._checked(rows, starts)

    @cached_property
    def _shards(self) -> list[NDArray[Any]]:
        return [self._map(shard.file) for shard in self._record.shards]

    def _map(self, file: str) -> NDArray[Any]:
        path = self._directory / file
        try:
            # As a plain array: the subclass costs time at each slice.
            return np.memmap(path, dtype=self._dtype, mode="r").view(np.ndarray)
        except (OSError, ValueError) as error:
            raise ResourceError(f"cannot read {path}: {error}") from error

    def _copy(self, start: int, length: int) -> NDArray[np.int64]:
        assert 0 <= start <= start + length <= self.n_tokens, "a window beyond the split"
        first = int(np.searchsorted(self._borders, start, side="right")) - 1
        parts = []
        for shard, border in zip(
            self._shards[first:], self._borders[first:].tolist(), strict=False
        ):
            parts.append(shard[max(start - border, 0) : start + length - border])
            if border + len(shard) >= start + length:
                break
        return np.concatenate(parts).astype(np.int64) if parts else np.empty(0, dtype=np.int64)

    def _checked(self, rows: NDArray[np.int64], starts: NDArray[np.int64]) -> NDArray[np.int64]:
        if rows.size and rows.max() >= self._vocab_size:
            row, column = np.argwhere(rows >= self._vocab_size)[0].tolist()
            self._refuse(int(rows[row, column]), int(starts[row]) + column)
        return rows

    def _refuse(self, number: int, position: int) -> None:
        index = int(np.searchsorted(self._borders, position, side="right")) - 1
        offset = (position - int(self._borders[index])) * self._dtype.itemsize
        file = self._directory / self._record.shards[index].file
        raise DataError(
            f"{file} is damaged: token id {number} at byte {offset:,} is not in the vocabulary of "
            f"{self._vocab_size}: run `gptcli prepare` again"
        )


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
        """Sha256 of the content: dtype, tokenizer and the checksums of the shards."""
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
        record = self.record
        return TokenSplit(self.directory, record.splits[name], record.dtype, record.vocab_size)
