"""Where the columns of a Parquet file are, and how many bytes their pages become.

Read here and not by pyarrow: a footer may tell less than its pages do, and pyarrow ends the
whole process at a damaged one. https://parquet.apache.org/docs/file-format/
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from gptcli.data.corpus.thrift_compact import CompactReader, Fields

_DICTIONARY = 2  # the type of a page
_TYPE, _UNCOMPRESSED, _COMPRESSED = 1, 2, 3  # fields of a page's header
_HEADER_BYTES = (2**12, 2**24)  # tried in turn: statistics of a page may be long
_MAGIC = b"PAR1"
_GROUPS, _COLUMNS, _CHUNK = 4, 1, 3  # fields of a footer, of a row group and of a column in it


@dataclass(frozen=True)
class ColumnChunk:
    """A column of a row group: its ``path`` ("messages.list.element.role") and place.

    ``start`` is its first byte, ``stored`` how many it has, ``declared`` how many they become.
    """

    path: str
    n_values: int
    start: int
    stored: int
    declared: int


@dataclass(frozen=True)
class Page:
    """A page: whether it is a dictionary, and its bytes when it is not compressed."""

    is_dictionary: bool
    n_bytes: int


def chunks(file: BinaryIO) -> Iterator[tuple[ColumnChunk, ...]]:
    """The columns of each row group, by the footer; ValueError where it is damaged."""
    try:
        for group in _footer(file)[_GROUPS]:
            yield tuple(_chunk(column[_CHUNK]) for column in group[_COLUMNS])
    except (IndexError, KeyError, TypeError, AttributeError):
        raise ValueError("its footer is damaged") from None


def _footer(file: BinaryIO) -> Fields:
    """The struct at the end, before its length and the magic number."""
    length = file.seek(0, 2)
    file.seek(max(0, length - 8))
    last = file.read(8)
    size = int.from_bytes(last[:4], "little")
    if last[4:] != _MAGIC or size > length - 8:
        raise ValueError("it has no footer")
    file.seek(length - 8 - size)
    return CompactReader(file.read(size)).struct()


def _chunk(fields: Fields) -> ColumnChunk:
    """A column by its metadata: a dictionary is before the first page of data, if there is one."""
    n_values, declared, stored, start = (_whole(fields[number]) for number in (5, 6, 7, 9))
    dictionary = _whole(fields.get(11, 0))
    path = b".".join(fields[3]).decode("utf-8", "replace")
    return ColumnChunk(path, n_values, min(start, dictionary or start), stored, declared)


def _whole(value: Any) -> int:
    if not isinstance(value, int):
        raise ValueError("a number in it is none")
    return value


def pages(file: BinaryIO, chunk: ColumnChunk) -> Iterator[Page]:
    """The pages of a column; ValueError where there is none to be read."""
    if not chunk.n_values:
        return
    start, end = chunk.start, chunk.start + chunk.stored
    if start < 0:
        raise ValueError("a column is before the file begins")
    while start < end:
        header, size = _header(file, start, end)
        compressed, n_bytes = _whole(header[_COMPRESSED]), _whole(header[_UNCOMPRESSED])
        if compressed < 0 or n_bytes < 0:
            raise ValueError("a page has a negative size")
        yield Page(header[_TYPE] == _DICTIONARY, n_bytes)
        start += size + compressed


def _header(file: BinaryIO, start: int, end: int) -> tuple[Fields, int]:
    """The fields of the header at ``start``, and how many bytes it has."""
    for most in _HEADER_BYTES:
        file.seek(start)
        reader = CompactReader(file.read(min(most, end - start)))
        try:
            fields = reader.struct()
            if {_TYPE, _UNCOMPRESSED, _COMPRESSED} <= fields.keys():
                return fields, reader.at
        except IndexError:
            continue
        break
    raise ValueError(f"there is no header of a page at byte {start:,}")
