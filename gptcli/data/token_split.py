"""One split of a dataset: its tokens and, where it has them, its masks and document starts."""

from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gptcli.data.dataset_record import (
    RECORD_FILE,
    DatasetRecord,
    SplitRecord,
    mask_file,
    starts_file,
)
from gptcli.data.shards import MASK, PAIR_MASK, START, Shards, map_file, token_content
from gptcli.data.windows import Windows, counted_windows, window_boundaries
from gptcli.errors import DataError

_TOKENS_AT_ONCE = 2**24


class TokenSplit:
    """The tokens of a split, over all of its shards.

    In a masked split a mask says which of them count as targets; in any other all do.
    """

    def __init__(self, directory: Path, name: str, record: DatasetRecord) -> None:
        self._directory = directory
        self._name = name
        self._pairs = record.pairs
        self._record: SplitRecord = record.splits[name]
        sizes = [shard.tokens for shard in self._record.shards]
        numbers = range(len(sizes))
        self._tokens = Shards(
            [directory / shard.file for shard in self._record.shards],
            sizes,
            token_content(record.dtype, record.vocab_size),
        )
        masks = [directory / mask_file(name, i) for i in numbers]
        self._masks = Shards(masks, sizes, PAIR_MASK if record.pairs else MASK)
        self._windows: dict[int, Windows] = {}

    @property
    def n_tokens(self) -> int:
        """The number of tokens."""
        return self._record.tokens

    @property
    def n_characters(self) -> int:
        """The number of characters that the tokens encode."""
        return self._record.characters

    @property
    def n_bytes(self) -> int:
        """The number of bytes of those characters in UTF-8."""
        return self._record.bytes

    @property
    def n_lost(self) -> int | None:
        """The number of characters that the tokens do not restore; None: not counted."""
        return self._record.lost

    @property
    def is_masked(self) -> bool:
        """Whether only some of the tokens count as targets."""
        return self._record.is_masked

    def read(self, start: int, length: int) -> NDArray[np.int64]:
        """Tokens ``start`` to ``start + length - 1``; DataError for an id beyond the vocabulary."""
        return self._tokens.read(start, length).astype(np.int64)

    def gather(self, starts: NDArray[np.int64], length: int) -> NDArray[np.int64]:
        """One row of ``length`` tokens from each start: (len(starts), length)."""
        return self._tokens.gather(starts, length).astype(np.int64)

    def read_marks(self, start: int, length: int) -> NDArray[np.uint8]:
        """The bytes of the mask beside the tokens that ``read`` gives; DataError where damaged.

        1 counts as a target, 2 is the rejected answer of a pair, and 0 is only read.
        """
        assert self.is_masked, "a split without masks"
        marks: NDArray[np.uint8] = self._masks.read(start, length)
        return marks

    def read_mask(self, start: int, length: int) -> NDArray[np.bool_]:
        """Which of the tokens that ``read`` gives count as targets; DataError where damaged."""
        counted: NDArray[np.bool_] = self.read_marks(start, length) == 1
        return counted

    def gather_masks(self, starts: NDArray[np.int64], length: int) -> NDArray[np.bool_]:
        """Which tokens count in the rows of ``gather``: (len(starts), length)."""
        assert self.is_masked, "a split without masks"
        counted: NDArray[np.bool_] = self._masks.gather(starts, length) == 1
        return counted

    @property
    def holds_pairs(self) -> bool:
        """Whether each document is a prompt, a chosen and a rejected answer."""
        return self._pairs

    @cached_property
    def n_targets(self) -> int:
        """The number of targets: all tokens that count, except the first token.

        Reads the whole mask; DataError where the number differs from dataset.json.
        """
        if not self.is_masked:
            return max(0, self.n_tokens - 1)
        counted = 0
        for start in range(0, self.n_tokens, _TOKENS_AT_ONCE):
            mask = self.read_mask(start, min(_TOKENS_AT_ONCE, self.n_tokens - start))
            counted += int(np.count_nonzero(mask))
        if counted != self._record.targets:
            raise DataError(
                f"{self._directory / RECORD_FILE} is damaged: {self._record.targets:,} targets "
                f"in {self._name}, the masks have {counted:,}: run `gptcli prepare` again"
            )
        return counted - int(self.read_mask(0, 1)[0]) if counted else 0

    def windows(self, block_size: int) -> Windows:
        """The windows of ``block_size`` targets of a masked split, from document to document."""
        if block_size not in self._windows:
            boundaries = window_boundaries(self.document_starts, self.n_tokens, block_size)
            self._windows[block_size] = counted_windows(boundaries, block_size, self.read_mask)
        return self._windows[block_size]

    @cached_property
    def document_starts(self) -> NDArray[np.int64]:
        """The first token of each document of a masked split; DataError where it is damaged."""
        assert self.is_masked, "a split without masks"
        if not self._record.documents:
            return np.empty(0, dtype=np.int64)
        starts = map_file(self._directory / starts_file(self._name), START)
        if starts[0] != 0:
            self._refuse_start(0, int(starts[0]), "the first one starts at 0")
        backward = starts[1:] <= starts[:-1]
        if backward.any():
            index = int(backward.argmax()) + 1
            before = int(starts[index - 1])
            self._refuse_start(index, int(starts[index]), f"the one before starts at {before:,}")
        if starts[-1] >= self.n_tokens:
            index = int(np.searchsorted(starts, np.uint64(self.n_tokens)))
            self._refuse_start(index, int(starts[index]), f"there are {self.n_tokens:,}")
        return starts.view("<i8")

    @cached_property
    def longest_document(self) -> int:
        """The number of tokens in the longest document of a masked split; 0 without any."""
        lengths = np.diff(self.document_starts, append=self.n_tokens)
        return int(lengths.max(initial=0))

    def _refuse_start(self, index: int, start: int, why: str) -> None:
        file = self._directory / starts_file(self._name)
        raise DataError(
            f"{file} is damaged: at byte {index * START.itemsize:,} a document starts at token "
            f"{start:,}, but {why}: run `gptcli prepare` again"
        )
