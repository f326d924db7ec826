"""Reading a Parquet file with one document per row, in a column of strings."""

import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice

from gptcli.config.data import ReadOptions
from gptcli.data.corpus.chunks import RANGE_BYTES, Chunk, Document, DocumentPart, Parsed, Problem
from gptcli.data.corpus.inputs import TextInput
from gptcli.data.corpus.parquet_file import Group, TextColumn, open_column
from gptcli.data.corpus.text_reader import decode
from gptcli.errors import DataError

_DEFAULT_COLUMN = "text"


@dataclass(frozen=True)
class ParquetReader:
    """Reads rows in chunks of about ``step`` bytes, none of which spans two row groups."""

    source: TextInput
    options: ReadOptions
    step: int = 2**20
    most_rows: int = 1024

    def chunks(self, start: int = 0, end: int | None = None) -> Iterator[Chunk]:
        """See Reader. DataError where the file is damaged, or has no such column."""
        with self._opened() as file:
            for group in file.groups:
                if group.end > start and (end is None or group.start < end):
                    batches = self._batches(file, group)
                    yield from _between(batches, start, file.n_rows if end is None else end)
        self.source.check_unchanged()

    def parse(self, chunk: Chunk) -> Parsed:
        """See Reader. A null is a problem."""
        documents: list[Document] = []
        problems: list[Problem] = []
        n_replaced = 0
        assert isinstance(chunk.content, tuple)
        for row, content in enumerate(chunk.content, chunk.offset):
            if content is None:
                problems.append(Problem(row, f"{self._column!r} is null"))
                continue
            text, count = self._decode(content, row)
            n_replaced += count
            key = hashlib.sha256(text.encode("utf-8") if count else content).digest()
            documents.append(Document((DocumentPart(text),), row, key, is_start=True, is_end=True))
        return Parsed(tuple(documents), tuple(problems), n_replaced)

    def place(self, offset: int) -> str:
        """The row, from 1."""
        return f"row {offset + 1:,}"

    def ranges(self, n_bytes: int = RANGE_BYTES) -> list[tuple[int, int | None]]:
        """See Reader. Each has at least one row group."""
        boundaries, size = [0], 0
        with self._opened() as file:
            for group in file.groups:
                if size >= n_bytes:
                    boundaries.append(group.start)
                    size = 0
                size += group.n_bytes
        return list(zip(boundaries, [*boundaries[1:], None], strict=True))

    def expected_bytes(self) -> int:
        """The size of the column according to the file; less than that of texts that repeat."""
        with self._opened() as file:
            return sum(group.n_bytes for group in file.groups)

    def expected_chunks(self) -> int:
        """See Reader."""
        with self._opened() as file:
            return sum(len(self._starts(group)) for group in file.groups)

    def thinned(self, first: int, every: int) -> Iterator[Chunk]:
        """See Reader."""
        number = 0
        with self._opened() as file:
            for group in file.groups:
                count = len(self._starts(group))
                skipped = max(first - number, (first - number) % every)
                if skipped < count:
                    yield from islice(self._batches(file, group), skipped, None, every)
                number += count
        self.source.check_unchanged()

    @property
    def _column(self) -> str:
        return self.options.field or _DEFAULT_COLUMN

    def _starts(self, group: Group) -> range:
        """The first row of each chunk of a row group."""
        rows = group.end - group.start
        mean = max(group.n_bytes // max(rows, 1), 1)
        return range(group.start, group.end, min(max(self.step // mean, 1), self.most_rows))

    def _batches(self, file: TextColumn, group: Group) -> Iterator[Chunk]:
        row = group.start
        for content in file.contents(group, self._starts(group).step):
            n_bytes = sum(len(text) for text in content if text is not None)
            yield Chunk(row, content, row + len(content) == file.n_rows, n_bytes)
            row += len(content)

    def _decode(self, content: bytes, row: int) -> tuple[str, int]:
        try:
            return decode(content, self.options.errors)
        except UnicodeDecodeError as error:
            raise DataError(
                f"{self.source.name}, {self.place(row)} is not UTF-8, byte "
                f"0x{content[error.start]:02x} at offset {error.start:,} of the text: "
                "write it anew, or --errors replace"
            ) from None

    def _opened(self) -> AbstractContextManager[TextColumn]:
        return open_column(self.source.path, self.source.name, self._column)


def _between(chunks: Iterator[Chunk], start: int, end: int) -> Iterator[Chunk]:
    """The rows from ``start`` to ``end`` of consecutive chunks."""
    for chunk in chunks:
        low, high = max(start - chunk.offset, 0), end - chunk.offset
        if high <= 0:
            return
        content = chunk.content[low:high]
        if low == 0 and len(content) == len(chunk.content):
            yield chunk
        elif content:
            assert isinstance(content, tuple)
            n_bytes = sum(len(text) for text in content if text is not None)
            is_last = chunk.is_last and high >= len(chunk.content)
            yield Chunk(chunk.offset + low, content, is_last, n_bytes)
