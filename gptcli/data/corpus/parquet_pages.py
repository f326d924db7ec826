"""How many bytes the pages of a Parquet column become, by the pages' own headers.

The footer of a file may tell less. A header is a struct of Thrift's compact protocol: type,
uncompressed size, compressed size, and what is not needed here.
https://parquet.apache.org/docs/file-format/ and thrift-compact-protocol.md
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_DICTIONARY = 2  # the type of a page
_TYPE, _UNCOMPRESSED, _COMPRESSED = 1, 2, 3  # fields of a header
_HEADER_BYTES = (2**12, 2**24)  # tried in turn: statistics of a page may be long
_MOST_DEPTH = 8


@dataclass(frozen=True)
class Page:
    """A page: whether it is a dictionary, and its bytes when it is not compressed."""

    is_dictionary: bool
    n_bytes: int


def pages(file: BinaryIO, start: int, length: int) -> Iterator[Page]:
    """The pages of a column from byte ``start`` on; ValueError where there is none to be read."""
    end = start + length
    while start < end:
        header, size = _header(file, start, end)
        compressed, n_bytes = header[_COMPRESSED], header[_UNCOMPRESSED]
        if compressed < 0 or n_bytes < 0:
            raise ValueError("a page has a negative size")
        yield Page(header[_TYPE] == _DICTIONARY, n_bytes)
        start += size + compressed


def _header(file: BinaryIO, start: int, end: int) -> tuple[dict[int, int], int]:
    """The numbers of the header at ``start`` by their fields, and how many bytes it has."""
    for most in _HEADER_BYTES:
        file.seek(start)
        reader = _Compact(file.read(min(most, end - start)))
        try:
            numbers = reader.struct()
            if {_TYPE, _UNCOMPRESSED, _COMPRESSED} <= numbers.keys():
                return numbers, reader.at
        except IndexError:
            continue
        break
    raise ValueError(f"there is no header of a page at byte {start:,}")


class _Compact:
    """Reads Thrift's compact protocol; IndexError where the bytes are not enough."""

    def __init__(self, content: bytes) -> None:
        self._content, self.at = content, 0

    def struct(self, depth: int = 0) -> dict[int, int]:
        """The whole numbers among the fields of a struct; all others are passed over."""
        if depth > _MOST_DEPTH:
            raise ValueError("a header is nested too deeply")
        numbers, field = {}, 0
        while kind := self._byte():
            field = field + (kind >> 4) if kind >> 4 else self._number()
            value = self._value(kind & 15, depth)
            if value is not None:
                numbers[field] = value
        return numbers

    def _byte(self) -> int:
        self.at += 1
        return self._content[self.at - 1]

    def _skip(self, count: int) -> None:
        self.at += count
        if self.at > len(self._content):
            raise IndexError

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise ValueError("a number in a header is too long")

    def _number(self) -> int:
        value = self._varint()
        return value >> 1 ^ -(value & 1)

    def _value(self, kind: int, depth: int) -> int | None:
        match kind:
            case 1 | 2:  # true and false, in the kind itself
                pass
            case 3:  # a byte
                self._skip(1)
            case 4 | 5 | 6:  # whole numbers of any size
                return self._number()
            case 7:  # a float
                self._skip(8)
            case 8:  # bytes
                self._skip(self._varint())
            case 9 | 10:  # a list or a set
                self._items(depth)
            case 12:
                self.struct(depth + 1)
            case _:
                raise ValueError("a header holds what none has")
        return None

    def _items(self, depth: int) -> None:
        size = self._byte()
        count = size >> 4 if size >> 4 < 15 else self._varint()
        for _ in range(count):
            self._value(max(size & 15, 3), depth)  # within a list true and false take a byte
