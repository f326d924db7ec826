"""Thrift's compact protocol, which Parquet's footers and page headers are written in.

https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from typing import Any

_MOST_DEPTH = 12  # a footer nests seven structs and lists

Fields = dict[int, Any]
"""The fields of a struct by their numbers: whole numbers, bytes, tuples and other structs."""


class CompactReader:
    """Reads structs; IndexError where the bytes are not enough, ValueError where they are wrong."""

    def __init__(self, content: bytes) -> None:
        self._content, self.at = content, 0

    def struct(self, depth: int = 0) -> Fields:
        """The fields of a struct; truth values and fractions, which nothing needs, are None."""
        if depth > _MOST_DEPTH:
            raise ValueError("it is nested too deeply")
        fields: Fields = {}
        field = 0
        while kind := self._byte():
            field = field + (kind >> 4) if kind >> 4 else self._number()
            fields[field] = self._value(kind & 15, depth)
        return fields

    def _byte(self) -> int:
        self.at += 1
        return self._content[self.at - 1]

    def _bytes(self, count: int) -> bytes:
        start, self.at = self.at, self.at + count
        if self.at > len(self._content):
            raise IndexError
        return self._content[start : self.at]

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise ValueError("a number in it is too long")

    def _number(self) -> int:
        value = self._varint()
        return value >> 1 ^ -(value & 1)

    def _value(self, kind: int, depth: int) -> Any:
        match kind:
            case 1 | 2:  # true and false, in the kind itself
                return None
            case 3:  # a byte
                return self._byte()
            case 4 | 5 | 6:  # whole numbers of any size
                return self._number()
            case 7:
                self._bytes(8)
                return None
            case 8:
                return self._bytes(self._varint())
            case 9 | 10:  # a list or a set
                return self._items(depth)
            case 12:
                return self.struct(depth + 1)
        raise ValueError("it holds what no such struct has")

    def _items(self, depth: int) -> tuple[Any, ...]:
        size = self._byte()
        count = size >> 4 if size >> 4 < 15 else self._varint()
        kind = max(size & 15, 3)  # within a list true and false take a byte
        return tuple(self._value(kind, depth + 1) for _ in range(count))
