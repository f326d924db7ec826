"""Writing token files: raw little-endian numbers.

The files of a split are its tokens (uint16 or uint32), a mask if not all of them count as
targets (a byte per token), and the positions at which documents start (uint64). Tokens and
masks may be divided over several files, the shards.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from gptcli.data.dataset_record import Shard, SplitRecord, mask_file, shard_file, starts_file
from gptcli.data.shards import START
from gptcli.runtime.files import settle

SHARD_TOKENS = 2**27
_SETTLED_BYTES = 2**26


@dataclass(frozen=True)
class EncodedTokens:
    """Tokens of one split in the dataset's type, and the size of the text that they encode.

    Attributes:
        ids: the tokens.
        mask: a byte for each, 1 where it counts as a target; None: all do.
        starts: the positions in ``ids`` at which documents begin.
        characters: the number of characters of the text.
        bytes: the number of bytes of the text in UTF-8.
        lost: the number of characters that the tokens do not restore; None: not counted, in
            parts of earlier versions.

    """

    ids: NDArray[Any]
    mask: NDArray[np.uint8] | None
    starts: NDArray[np.int64]
    characters: int = 0
    bytes: int = 0
    lost: int | None = 0


@dataclass(frozen=True)
class TokenFiles:
    """The names of the files of a split, within their directory.

    Attributes:
        tokens: the name for the tokens of shard n.
        mask: the name for the mask of shard n; None: there are no masks.
        starts: the name for the document starts; None: they are not written.

    """

    tokens: Callable[[int], str]
    mask: Callable[[int], str] | None
    starts: str | None


def dataset_files(split: str, is_masked: bool) -> TokenFiles:
    """The files of a dataset's split: training needs document starts only where masks are."""
    return TokenFiles(
        tokens=partial(shard_file, split),
        mask=partial(mask_file, split) if is_masked else None,
        starts=starts_file(split) if is_masked else None,
    )


class TokenWriter:
    """Appends tokens, masks and document starts to new files; ``close`` returns their record.

    A shard has ``shard_tokens`` tokens, however many are appended at a time; None: one shard,
    which is written even if it is empty.
    """

    def __init__(
        self, directory: Path, files: TokenFiles, dtype: str, shard_tokens: int | None = None
    ) -> None:
        self._directory = directory
        self._files = files
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._shard_tokens = shard_tokens
        self._shards: list[Shard] = []
        self._tokens: _HashedFile | None = None
        self._mask: _HashedFile | None = None
        self._starts = None if files.starts is None else self._open(files.starts)
        self._in_shard = self._written = self._documents = self._targets = 0
        self._characters = self._bytes = 0
        self._lost: int | None = 0
        if shard_tokens is None:
            self._begin_shard()

    def __enter__(self) -> "TokenWriter":
        return self

    def __exit__(self, *_: object) -> None:
        # Needed after an error, since Windows cannot remove open files.
        for file in (self._tokens, self._mask, self._starts):
            if file is not None:
                file.close()

    def write(self, encoded: EncodedTokens) -> None:
        """Append tokens."""
        self._documents += len(encoded.starts)
        self._characters += encoded.characters
        self._bytes += encoded.bytes
        is_counted = self._lost is not None and encoded.lost is not None
        self._lost = (self._lost or 0) + (encoded.lost or 0) if is_counted else None
        if self._starts is not None:
            self._starts.write((encoded.starts + self._written).astype(START))
        self._written += len(encoded.ids)
        ids, mask = encoded.ids.astype(self._dtype, copy=False), self._mask_of(encoded)
        while ids.size:
            if self._tokens is None:
                self._begin_shard()
            room = len(ids) if self._shard_tokens is None else self._shard_tokens - self._in_shard
            self._append(ids[:room], None if mask is None else mask[:room])
            ids, mask = ids[room:], None if mask is None else mask[room:]
            if self._in_shard == self._shard_tokens:
                self._end_shard()

    def close(self) -> SplitRecord:
        """Finish the last shard; returns the record of the files."""
        self._end_shard()
        return SplitRecord(
            tokens=self._written,
            characters=self._characters,
            bytes=self._bytes,
            lost=self._lost,
            shards=tuple(self._shards),
            documents=self._documents,
            targets=None if self._files.mask is None else self._targets,
            starts_sha256=None if self._starts is None else self._starts.close(),
        )

    def _mask_of(self, encoded: EncodedTokens) -> NDArray[np.uint8] | None:
        if self._files.mask is None:
            return None
        assert encoded.mask is not None, "a masked split gets masked tokens"
        self._targets += int(np.count_nonzero(encoded.mask == 1))
        return encoded.mask

    def _begin_shard(self) -> None:
        number = len(self._shards)
        self._tokens = self._open(self._files.tokens(number))
        self._mask = None if self._files.mask is None else self._open(self._files.mask(number))

    def _append(self, ids: NDArray[Any], mask: NDArray[np.uint8] | None) -> None:
        assert self._tokens is not None
        self._tokens.write(ids)
        if self._mask is not None and mask is not None:
            self._mask.write(mask)
        self._in_shard += len(ids)

    def _end_shard(self) -> None:
        if self._tokens is None:
            return
        name = self._files.tokens(len(self._shards))
        mask_sha256 = None if self._mask is None else self._mask.close()
        self._shards.append(Shard(name, self._in_shard, self._tokens.close(), mask_sha256))
        self._tokens, self._mask, self._in_shard = None, None, 0

    def _open(self, name: str) -> "_HashedFile":
        # A single file is soon read again, so it may stay in the system's cache.
        return _HashedFile(self._directory / name, settles=self._shard_tokens is not None)


class _HashedFile:
    """A new file and the sha256 of what was written to it."""

    def __init__(self, path: Path, settles: bool) -> None:
        self._file: BinaryIO = path.open("xb", buffering=2**20)
        self._digest = hashlib.sha256()
        self._settles = settles
        self._unsettled = 0

    def write(self, values: NDArray[Any]) -> None:
        content = np.ascontiguousarray(values).data.cast("B") if values.size else b""
        self._file.write(content)
        self._digest.update(content)
        self._unsettled += len(content)
        if self._settles and self._unsettled >= _SETTLED_BYTES:
            self._file.flush()
            settle(self._file.fileno())
            self._unsettled = 0

    def close(self) -> str:
        self._file.close()
        return self._digest.hexdigest()
