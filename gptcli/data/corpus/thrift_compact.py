"""Thrift's compact protocol, which Parquet's footers and page headers are written in.

https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from typing import Any

I16, I32, I64, LIST, STRUCT = 4, 5, 6, 9, 12  # kinds of values
_BITS = {I16: 16, I32: 32, I64: 64}
_MOST_DEPTH = 12  # a footer nests seven structs and lists
_LAST_FIELD = 2**15 - 1

Fields = dict[tuple[int, int], Any]
"""The fields of a struct by number and kind, since a field of another kind is another one."""


class CompactReader:
    """Reads structs; IndexError where the bytes are not enough, ValueError where they are wrong.

    Of a struct with more than ``most_values`` in it nothing is read.
    """

    def __init__(self, content: bytes, most_values: int) -> None:
        self._content, self.at = content, 0
        self._left = most_values

    def struct(self, depth: int = 0) -> Fields:
        """The fields of a struct; truth values and fractions, which nothing needs, are None."""
        fields: Fields = {}
        number = 0
        while byte := self._byte():
            number = number + (byte >> 4) if byte >> 4 else self._number(I16)
            field = number, byte & 15
            if field in fields or not 0 < number <= _LAST_FIELD:
                raise ValueError(f"it has a field {number} that it cannot have")
            fields[field] = self._value(byte & 15, depth)
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

    def _number(self, kind: int) -> int:
        value = self._varint()
        if value >> _BITS[kind]:
            raise ValueError("a number in it is too large for its kind")
        return value >> 1 ^ -(value & 1)

    def _value(self, kind: int, depth: int) -> Any:
        self._left -= 1
        if depth > _MOST_DEPTH or self._left < 0:
            raise ValueError("it is nested too deeply or has too many values")
        match kind:
            case 1 | 2:  # true and false, in the kind itself
                return None
            case 3:  # a byte
                return self._byte()
            case 4 | 5 | 6:
                return self._number(kind)
            case 7:  # a fraction
                self._bytes(8)
                return None
            case 8:
                return self._bytes(self._varint())
            case 9 | 10:  # a list or a set
                return self._items(depth + 1)
            case 12:
                return self.struct(depth + 1)
        raise ValueError("it holds what no such struct has")

    def _items(self, depth: int) -> tuple[Any, ...]:
        size = self._byte()
        count = size >> 4 if size >> 4 < 15 else self._varint()
        kind = max(size & 15, 3)  # within a list true and false take a byte
        return tuple(self._value(kind, depth) for _ in range(count))
