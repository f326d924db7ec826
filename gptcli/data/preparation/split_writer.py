"""Writing the shards of a dataset."""

import hashlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from gptcli.data.dataset_record import Shard, SplitRecord, mask_file, shard_file, starts_file
from gptcli.data.preparation.encode import EncodedTokens
from gptcli.runtime.files import settle

SHARD_TOKENS = 2**27
_SETTLED_BYTES = 2**26


class SplitWriter:
    """Appends tokens to the shards of one split; close it to get its record.

    ``shard_tokens`` alone decides where a shard ends, never how the tokens came in. Document
    starts are written only where there are masks: training needs them only then.
    """

    def __init__(
        self,
        directory: Path,
        split: str,
        dtype: str,
        is_masked: bool = False,
        shard_tokens: int = SHARD_TOKENS,
    ) -> None:
        (directory / split).mkdir()
        self._directory = directory
        self._split = split
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._shard_tokens = shard_tokens
        self._shards: list[Shard] = []
        self._tokens: _HashedFile | None = None
        self._mask: _HashedFile | None = None
        self._starts = _HashedFile(directory / starts_file(split)) if is_masked else None
        self._is_masked = is_masked
        self._in_shard = self._written = self._documents = self._targets = 0
        self._characters = self._bytes = 0

    def __enter__(self) -> "SplitWriter":
        return self

    def __exit__(self, *_: object) -> None:
        # After an error: an open file could not be removed on Windows.
        for file in (self._tokens, self._mask, self._starts):
            if file is not None:
                file.close()

    def write(self, encoded: EncodedTokens) -> None:
        """Append tokens."""
        self._documents += len(encoded.starts)
        self._characters += encoded.characters
        self._bytes += encoded.bytes
        if self._starts is not None:
            self._starts.write((encoded.starts + self._written).astype("<u8"))
        self._written += len(encoded.ids)
        ids, mask = encoded.ids, self._mask_of(encoded)
        while ids.size:
            room = self._shard_tokens - self._in_shard
            self._append(ids[:room], None if mask is None else mask[:room])
            ids, mask = ids[room:], None if mask is None else mask[room:]

    def close(self) -> SplitRecord:
        """Finish the last shard."""
        self._finish_shard()
        return SplitRecord(
            tokens=self._written,
            characters=self._characters,
            bytes=self._bytes,
            shards=tuple(self._shards),
            documents=self._documents,
            targets=self._targets if self._is_masked else None,
            starts_sha256=self._starts.close() if self._starts is not None else None,
        )

    def _mask_of(self, encoded: EncodedTokens) -> NDArray[np.uint8] | None:
        if not self._is_masked:
            return None
        assert encoded.mask is not None, "a masked split gets masked tokens"
        self._targets += int(encoded.mask.sum(dtype=np.int64))
        return encoded.mask

    def _append(self, ids: NDArray[Any], mask: NDArray[np.uint8] | None) -> None:
        number = len(self._shards)
        if self._tokens is None:
            self._tokens = _HashedFile(self._directory / shard_file(self._split, number))
        self._tokens.write(ids.astype(self._dtype, copy=False))
        if mask is not None:
            if self._mask is None:
                self._mask = _HashedFile(self._directory / mask_file(self._split, number))
            self._mask.write(mask)
        self._in_shard += len(ids)
        if self._in_shard == self._shard_tokens:
            self._finish_shard()

    def _finish_shard(self) -> None:
        if self._tokens is None:
            return
        name = shard_file(self._split, len(self._shards))
        mask_sha256 = self._mask.close() if self._mask is not None else None
        self._shards.append(Shard(name, self._in_shard, self._tokens.close(), mask_sha256))
        self._tokens, self._mask, self._in_shard = None, None, 0


class _HashedFile:
    """A new file and the sha256 of what was written to it."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("xb", buffering=2**20)
        self._digest = hashlib.sha256()

        self._unsettled = 0

    def write(self, values: NDArray[Any]) -> None:
        content = np.ascontiguousarray(values).data.cast("B") if values.size else b""
        self._file.write(content)
        self._digest.update(content)
        self._unsettled += len(content)
        if self._unsettled >= _SETTLED_BYTES:
            self._file.flush()
            settle(self._file.fileno())
            self._unsettled = 0

    def close(self) -> str:
        self._file.close()
        return self._digest.hexdigest()
