"""One column of a Parquet file, read without ever holding a whole row group."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gptcli.errors import DataError, ResourceError, UsageError

_BUFFER = 2**20
_NAMES_SHOWN = 5


@dataclass(frozen=True)
class Group:
    """A row group: its number, its rows, and how many bytes they have in the column."""

    number: int
    start: int
    end: int
    n_bytes: int


class TextColumn:
    """One column of texts in an open file."""

    def __init__(self, file: Any, name: str, column: str) -> None:
        _check_column(file.schema_arrow, name, column)
        self._file, self._name, self._column = file, name, column
        self.n_rows: int = file.metadata.num_rows
        self.groups = tuple(_groups(file.metadata, column))

    def contents(self, group: Group, rows: int) -> Iterator[tuple[bytes | None, ...]]:
        """The texts of a row group, at most ``rows`` at a time; None for a null."""
        import pyarrow

        row = group.start
        with _reported(self._name, f"row {row + 1:,}"):
            batches = self._file.iter_batches(
                rows, row_groups=[group.number], columns=[self._column], use_threads=False
            )
        while True:
            with _reported(self._name, f"row {row + 1:,}"):
                batch = next(batches, None)
                if batch is None:
                    return
                content = tuple(batch.column(0).cast(pyarrow.large_binary()).to_pylist())
            yield content
            row += len(content)


@contextmanager
def open_column(path: Path, name: str, column: str) -> Iterator[TextColumn]:
    """Open a column of a file, for a ``with`` block.

    Raises DataError where the file is damaged or has no such column, ResourceError where
    reading is refused and UsageError where pyarrow is missing.
    """
    check_pyarrow(name)
    import pyarrow.parquet

    with _reported(name, "its end"):
        # Without these two a whole row group is read before its first row is given.
        opened = pyarrow.parquet.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False)
    with opened as file:
        yield TextColumn(file, name, column)


def check_pyarrow(name: str) -> None:
    """Raise UsageError, saying how to install pyarrow, where it is missing."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise UsageError(f"{name} is Parquet: pip install 'gptcli[sources]' to read it") from None


def _groups(metadata: Any, column: str) -> Iterator[Group]:
    start = 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        chunks = (group.column(index) for index in range(group.num_columns))
        n_bytes = sum(c.total_uncompressed_size for c in chunks if c.path_in_schema == column)
        yield Group(number, start, start + group.num_rows, n_bytes)
        start += group.num_rows


def _check_column(schema: Any, name: str, column: str) -> None:
    from pyarrow import types

    index = schema.get_field_index(column)
    if index < 0:
        names = ", ".join(map(repr, schema.names[:_NAMES_SHOWN])) or "none"
        more = ", ..." if len(schema.names) > _NAMES_SHOWN else ""
        raise DataError(
            f"{name} has no column {column!r} but {names}{more}: name the text's with --field"
        )
    kind = schema.field(index).type
    kind = kind.value_type if types.is_dictionary(kind) else kind
    tests = (types.is_string, types.is_large_string, types.is_string_view, types.is_binary)
    if not any(test(kind) for test in (*tests, types.is_large_binary)):
        raise DataError(f"column {column!r} of {name} holds {kind}: name one of text with --field")


@contextmanager
def _reported(name: str, place: str) -> Iterator[None]:
    """Turn the errors of pyarrow into those of gptcli."""
    import pyarrow

    try:
        yield
    except MemoryError:
        raise
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).strip().split("\n")[0]
        if isinstance(error, OSError) and error.errno:
            raise ResourceError(f"cannot read {name}: {reason}") from error
        raise DataError(
            f"{name} is no sound Parquet at {place} ({reason}): write it anew"
        ) from None
