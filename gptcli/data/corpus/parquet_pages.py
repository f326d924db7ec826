"""Where the columns of a Parquet file are, and how many bytes their pages become.

Read here and not by pyarrow: a footer may tell less than its pages do, and pyarrow ends the
whole process at a damaged one. https://parquet.apache.org/docs/file-format/
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from gptcli.data.corpus.thrift_compact import I32, I64, LIST, STRUCT, CompactReader, Fields

_DICTIONARY = 2  # the type of a page
_TYPE, _UNCOMPRESSED, _COMPRESSED = (1, I32), (2, I32), (3, I32)  # of a page's header
_HEADER_BYTES = tuple(2**n for n in range(12, 25, 2))  # tried in turn: statistics may be long
_MOST_OF_A_HEADER, _MOST_OF_A_FOOTER = 10_000, 10_000_000  # values
_MAGIC = b"PAR1"
_GROUPS, _COLUMNS, _CHUNK = (4, LIST), (1, LIST), (3, STRUCT)  # of footer, row group and column
_PATH, _DICTIONARY_START = (3, LIST), (11, I64)  # of a column's metadata, and these numbers
_NUMBERS = ((5, I64), (6, I64), (7, I64), (9, I64))  # values, declared, stored, first data page


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


def column_chunks(file: BinaryIO) -> Iterator[tuple[ColumnChunk, ...]]:
    """The columns of each row group, by the footer; ValueError where it is damaged."""
    length, n_bytes = file.seek(0, 2), 0
    for group in _columns(_footer(file, length)):
        n_bytes += sum(chunk.stored for chunk in group)
        is_inside = all(
            0 <= chunk.start <= chunk.start + chunk.stored <= length
            for chunk in group
            if chunk.n_values
        )
        if not is_inside or n_bytes > length:
            raise ValueError("its columns are not within it")
        yield group


def _footer(file: BinaryIO, length: int) -> Fields:
    """The struct at the end, before its length and the magic number."""
    file.seek(max(0, length - 8))
    last = file.read(8)
    size = int.from_bytes(last[:4], "little")
    if last[4:] != _MAGIC or size > length - 8:
        raise ValueError("it has no footer")
    file.seek(length - 8 - size)
    try:
        return CompactReader(file.read(size), _MOST_OF_A_FOOTER).struct()
    except IndexError:
        raise ValueError("its footer is cut off") from None


def _columns(footer: Fields) -> Iterator[tuple[ColumnChunk, ...]]:
    try:
        for group in footer[_GROUPS]:
            yield tuple(_chunk(column[_CHUNK]) for column in group[_COLUMNS])
    except (KeyError, TypeError):
        raise ValueError("its footer lacks what is read by") from None


def _chunk(fields: Fields) -> ColumnChunk:
    """A column by its metadata: a dictionary is before the first page of data, if there is one."""
    n_values, declared, stored, start = (fields[number] for number in _NUMBERS)
    dictionary = fields.get(_DICTIONARY_START) or start
    path = b".".join(fields[_PATH]).decode("utf-8", "replace")
    return ColumnChunk(path, n_values, min(start, dictionary), stored, declared)


def pages(file: BinaryIO, chunk: ColumnChunk) -> Iterator[Page]:
    """The pages of a column; ValueError where there is none to be read."""
    if not chunk.n_values:
        return
    start, end = chunk.start, chunk.start + chunk.stored
    while start < end:
        header, size = _header(file, start, end)
        compressed, n_bytes = header[_COMPRESSED], header[_UNCOMPRESSED]
        if compressed < 0 or n_bytes < 0:
            raise ValueError("a page has a negative size")
        yield Page(header[_TYPE] == _DICTIONARY, n_bytes)
        start += size + compressed


def _header(file: BinaryIO, start: int, end: int) -> tuple[Fields, int]:
    """The fields of the header at ``start``, and how many bytes it has."""
    for most in _HEADER_BYTES:
        file.seek(start)
        reader = CompactReader(file.read(min(most, end - start)), _MOST_OF_A_HEADER)
        try:
            fields = reader.struct()
            if {_TYPE, _UNCOMPRESSED, _COMPRESSED} <= fields.keys():
                return fields, reader.at
        except IndexError:
            continue
        break
    raise ValueError(f"there is no header of a page at byte {start:,}")
