"""Writing the shards of a dataset."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from gptcli.data.dataset_record import Shard, SplitRecord, shard_file

SHARD_TOKENS = 2**27


@dataclass
class SplitWriter:
    """Appends tokens to the shards of one split; close it to get its record.

    ``shard_tokens`` alone decides where a shard ends, never how the tokens came in.
    """

    directory: Path
    split: str
    dtype: str
    shard_tokens: int = SHARD_TOKENS
    _shards: list[Shard] = field(default_factory=list)
    _file: BinaryIO | None = None
    _digest: Any = None
    _in_shard: int = 0
    _characters: int = 0
    _bytes: int = 0

    def __post_init__(self) -> None:
        (self.directory / self.split).mkdir()

    def write(self, ids: NDArray[np.int64], text: str) -> None:
        """Append the ids that encode ``text``."""
        self._characters += len(text)
        self._bytes += len(text.encode("utf-8"))
        while ids.size:
            room = self.shard_tokens - self._in_shard
            self._append(ids[:room])
            ids = ids[room:]

    def __enter__(self) -> "SplitWriter":
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:  # an error: an open file could not be removed on Windows
            self._file.close()

    def close(self) -> SplitRecord:
        """Finish the last shard."""
        self._finish_shard()
        tokens = sum(shard.tokens for shard in self._shards)
        return SplitRecord(tokens, self._characters, self._bytes, tuple(self._shards))

    def _append(self, ids: NDArray[np.int64]) -> None:
        if self._file is None:
            path = self.directory / shard_file(self.split, len(self._shards))
            self._file, self._digest = path.open("xb"), hashlib.sha256()
        content = ids.astype(np.dtype(self.dtype).newbyteorder("<")).tobytes()
        self._file.write(content)
        self._digest.update(content)
        self._in_shard += len(ids)
        if self._in_shard == self.shard_tokens:
            self._finish_shard()

    def _finish_shard(self) -> None:
        if self._file is None:
            return
        self._file.close()
        name = shard_file(self.split, len(self._shards))
        self._shards.append(Shard(name, self._in_shard, self._digest.hexdigest()))
        self._file, self._in_shard = None, 0
