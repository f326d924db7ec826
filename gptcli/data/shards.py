"""Reading token files: the shards of a split, or parts of it, as one array."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from io import BufferedReader
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gptcli.errors import DataError, ResourceError

START = np.dtype("<u8")  # the position of a document


@dataclass(frozen=True)
class Content:
    """The numbers in a file: their ``dtype``, and the ``limit`` below which they must be.

    ``noun`` and ``fault`` are for the error message: "token id 70 ... is not in ...".
    """

    dtype: "np.dtype[Any]"
    limit: int
    noun: str
    fault: str


MASK = Content(np.dtype("u1"), 2, "mask byte", "neither 0 nor 1")
PAIR_MASK = Content(np.dtype("u1"), 3, "mask byte", "neither 0, 1 nor 2")


def token_content(dtype: str, vocab_size: int) -> Content:
    """Token ids of a vocabulary, stored little-endian."""
    fault = f"not in the vocabulary of {vocab_size}"
    return Content(np.dtype(dtype).newbyteorder("<"), vocab_size, "token id", fault)


class Shards:
    """Reads the numbers of several files as one array.

    Every read checks that they are below the limit, so that a damaged shard raises a DataError
    with its place, instead of an index error in the embedding. Files are mapped into memory,
    and stay open; with ``is_mapped`` False they are opened for each read, since there may be
    more of them than a process may have open.
    """

    def __init__(
        self,
        files: Sequence[Path],
        sizes: Sequence[int],
        content: Content,
        is_mapped: bool = True,
    ) -> None:
        self._files = files
        self._content = content
        self._is_mapped = is_mapped
        self._boundaries = np.array([0, *accumulate(sizes)], dtype=np.int64)

    def read(self, start: int, length: int) -> NDArray[Any]:
        """Numbers ``start`` to ``start + length - 1``, as a new array."""
        numbers = self._copy(start, length)
        self._check(numbers[None], np.array([start]))
        return numbers

    def gather(self, starts: NDArray[np.int64], length: int) -> NDArray[Any]:
        """One row of ``length`` numbers from each start: (len(starts), length)."""
        if self._is_mapped and len(self._files) == 1:
            assert starts.size == 0 or starts.min() >= 0, "a window starts before the split"
            windows = np.lib.stride_tricks.sliding_window_view(self._maps[0].numbers(), length)
            rows = windows[starts]
        else:
            rows = np.empty((len(starts), length), dtype=self._content.dtype)
            for row, start in zip(rows, starts.tolist(), strict=True):
                row[:] = self._copy(start, length)
        self._check(rows, starts)
        return rows

    @cached_property
    def _maps(self) -> list["_MappedFile"]:
        return [_MappedFile(file, self._content.dtype) for file in self._files]

    def _copy(self, start: int, length: int) -> NDArray[Any]:
        end = start + length
        assert 0 <= start <= end <= self._boundaries[-1], "a window beyond the split"
        first = int(np.searchsorted(self._boundaries, start, side="right")) - 1
        parts = []
        for index in range(first, len(self._files)):
            low, high = self._boundaries[index : index + 2].tolist()
            if low >= end:
                break
            parts.append(self._slice(index, max(start - low, 0), min(end, high) - low))
        return np.concatenate(parts) if parts else np.empty(0, dtype=self._content.dtype)

    def _slice(self, index: int, first: int, last: int) -> NDArray[Any]:
        if self._is_mapped:
            return self._maps[index].numbers()[first:last]
        with self._files[index].open("rb", buffering=0) as file:
            offset = first * self._content.dtype.itemsize
            return np.fromfile(file, self._content.dtype, last - first, offset=offset)

    def _check(self, rows: NDArray[Any], starts: NDArray[np.int64]) -> None:
        if rows.size and int(rows.max()) >= self._content.limit:
            row, column = np.argwhere(rows >= self._content.limit)[0].tolist()
            self._refuse(int(rows[row, column]), int(starts[row]) + column)

    def _refuse(self, number: int, position: int) -> None:
        index = int(np.searchsorted(self._boundaries, position, side="right")) - 1
        offset = (position - int(self._boundaries[index])) * self._content.dtype.itemsize
        raise DataError(
            f"{self._files[index]} is damaged: {self._content.noun} {number} at byte {offset:,} "
            f"is {self._content.fault}: run `gptcli prepare` again"
        )


class _MappedFile:
    """A raw file in memory, looked at before each reading.

    Reading what has been cut off since it was mapped would end the process by a signal.
    """

    def __init__(self, path: Path, dtype: "np.dtype[Any]") -> None:
        self._path = path
        self._numbers, self._file = _mapped(path, dtype)

    def numbers(self) -> NDArray[Any]:
        """All of its numbers; DataError where the file has become shorter."""
        size = os.fstat(self._file.fileno()).st_size
        if size < self._numbers.nbytes:
            raise DataError(
                f"{self._path} was cut to {size:,} bytes while it was in use, from "
                f"{self._numbers.nbytes:,}: run `gptcli prepare` again"
            )
        return self._numbers


def map_file(path: Path, dtype: "np.dtype[Any]") -> NDArray[Any]:
    """Map a raw file into memory; ResourceError where that is refused."""
    return _mapped(path, dtype)[0]


def _mapped(path: Path, dtype: "np.dtype[Any]") -> tuple[NDArray[Any], BufferedReader]:
    try:
        file = path.open("rb")
        # As a plain array, since slices of the subclass memmap are slow.
        return np.memmap(file, dtype=dtype, mode="r").view(np.ndarray), file
    except (OSError, ValueError) as error:
        raise ResourceError(f"cannot read {path}: {error}") from error
