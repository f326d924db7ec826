"""The columns with the text of a Parquet file, read without holding a whole row group."""

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from gptcli.data.corpus.parquet_pages import column_chunks, pages
from gptcli.data.corpus.records import record_kind, unknown_advice
from gptcli.data.corpus.turns import listed
from gptcli.errors import DataError, ResourceError, UsageError

_BUFFER = 2**20
_LARGE = 2**27  # bytes of a row group, below which any growth is harmless
_MOST_GROWTH = 1000  # times; text is compressed to a tenth, one word repeated to a thousandth
_MOST_AT_ONCE = 2**29  # bytes of rows
DEFAULT_COLUMN = "text"


@dataclass(frozen=True)
class Group:
    """A row group: its number, its rows, and how many bytes they have in the columns.

    ``most_rows`` can be read at once in bounded memory: each may be the longest of a dictionary.
    """

    number: int
    start: int
    end: int
    n_bytes: int
    most_rows: int


class TextRows:
    """The rows of an open file: the texts of one column or, of several columns, records.

    With ``field`` or a column "text" that column is read. Otherwise a row is a record of the
    kind that its columns tell, as it is in JSON.
    """

    def __init__(self, file: Any, path: Path, name: str, field: str | None) -> None:
        names = file.schema_arrow.names
        kind = record_kind(names, field)
        self._columns: tuple[str, ...] = (field or DEFAULT_COLUMN,)
        self.has_records = kind is not None and kind.fields != self._columns
        if kind is not None and self.has_records:
            self._columns = (*kind.fields, *(name for name in kind.optional if name in names))
        if not self.has_records:
            _check_column(file.schema_arrow, name, self._columns[0])
        self._file, self._name = file, name
        self.n_rows: int = file.metadata.num_rows
        with _reported(name, "its pages"), path.open("rb") as content:
            self.groups = tuple(_groups(file.metadata, self._columns, name, content))

    def contents(self, group: Group, rows: int) -> Iterator[tuple[bytes | None, ...]]:
        """The rows of a row group, at most ``rows`` at a time; None for a null in a column."""
        row = group.start
        with _reported(self._name, f"row {row + 1:,}"):
            batches = self._file.iter_batches(
                rows, row_groups=[group.number], columns=list(self._columns), use_threads=False
            )
        while True:
            with _reported(self._name, f"row {row + 1:,}"):
                batch = next(batches, None)
                if batch is None:
                    return
                content = _records(batch) if self.has_records else _texts(batch)
            yield content
            row += len(content)


def _texts(batch: Any) -> tuple[bytes | None, ...]:
    import pyarrow

    return tuple(batch.column(0).cast(pyarrow.large_binary()).to_pylist())


def _records(batch: Any) -> tuple[bytes, ...]:
    """Each row as a record of JSON; what JSON has no form for becomes its text."""
    rows = batch.to_pylist()
    return tuple(json.dumps(row, ensure_ascii=False, default=str).encode() for row in rows)


@contextmanager
def open_rows(path: Path, name: str, field: str | None) -> Iterator[TextRows]:
    """Open the rows of a file, for a ``with`` block.

    Raises DataError where the file is damaged or has no text in a column, ResourceError where
    reading is refused and UsageError where pyarrow is missing.
    """
    check_pyarrow(name)
    import pyarrow.parquet

    with _reported(name, "its end"):
        # Without these two a whole row group is read before its first row is given.
        opened = pyarrow.parquet.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False)
    with opened as file:
        yield TextRows(file, path, name, field)


def check_pyarrow(name: str) -> None:
    """Raise UsageError, saying how to install pyarrow, where it is missing."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise UsageError(f"{name} is Parquet: pip install 'gptcli[sources]' to read it") from None


def _groups(
    metadata: Any, columns: tuple[str, ...], name: str, content: BinaryIO
) -> Iterator[Group]:
    """The row groups; DataError where one is a few bytes that would become gigabytes."""
    found = list(column_chunks(content))
    if len(found) != metadata.num_row_groups:
        raise ValueError("its row groups are not those that are counted")
    start = 0
    for number, group in enumerate(found):
        read = [chunk for chunk in group if _is_of(chunk.path, columns)]
        unpacked = longest = 0
        for page in (page for chunk in read for page in pages(content, chunk)):
            unpacked += page.n_bytes
            longest = max(longest, page.n_bytes * page.is_dictionary)
        n_bytes = max(unpacked, sum(chunk.declared for chunk in read))
        stored = sum(chunk.stored for chunk in read)
        if n_bytes > _LARGE and n_bytes > _MOST_GROWTH * stored:
            raise DataError(
                f"{name}: {stored:,} bytes of row group {number} stand for {n_bytes:,}, more than "
                "any text is compressed: write it again in smaller row groups"
            )
        most_rows = max(1, _MOST_AT_ONCE // max(1, longest))
        n_rows = metadata.row_group(number).num_rows
        yield Group(number, start, start + n_rows, n_bytes, most_rows)
        start += n_rows


def _is_of(path: str, columns: tuple[str, ...]) -> bool:
    """Whether the leaf at ``path`` ("messages.list.element.role") belongs to one of ``columns``."""
    return any(path == column or path.startswith(f"{column}.") for column in columns)


def _check_column(schema: Any, name: str, column: str) -> None:
    index = schema.get_field_index(column)
    if index < 0:
        names = listed(schema.names)
        raise DataError(f"{name} has no column {column!r} but {names}: {_remedy(schema)}")
    kind = schema.field(index).type
    if not _is_text(kind):
        raise DataError(f"column {column!r} of {name} holds {kind}: {_remedy(schema)}")


def _remedy(schema: Any) -> str:
    from pyarrow import types

    texts = [field.name for field in schema if _is_text(field.type)]
    if len(texts) > 1 or any(types.is_nested(field.type) for field in schema if texts):
        return unknown_advice(schema.names)  # one of them may be half of a record
    if not texts:
        return "none of them holds text: write the text into a column of its own"
    return f"name the one with the text by --field, as in --field {shlex.quote(texts[0])}"


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    kind = kind.value_type if types.is_dictionary(kind) else kind
    tests = (types.is_string, types.is_large_string, types.is_string_view, types.is_binary)
    return any(test(kind) for test in (*tests, types.is_large_binary))


@contextmanager
def _reported(name: str, place: str) -> Iterator[None]:
    """Turn the errors of pyarrow into those of gptcli."""
    import pyarrow

    try:
        yield
    except MemoryError:
        raise
    except UnicodeDecodeError as error:
        raise DataError(
            f"{name} is not UTF-8 in the rows from {place} on, byte "
            f"0x{error.object[error.start]:02x}: write it again"
        ) from None
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        reason = str(error).strip().split("\n")[0]
        if isinstance(error, OSError) and error.errno:
            raise ResourceError(f"cannot read {name}: {reason}") from error
        raise DataError(
            f"{name} is not valid Parquet at {place} ({reason}): write it again"
        ) from None
