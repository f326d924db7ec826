"""Reading a Parquet file with one document per row: a string, or a record of several columns."""

import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from gptcli.config.data import ReadOptions
from gptcli.data.chat.chat_template import DocumentPart
from gptcli.data.chat.contents import ANY_SHAPE, RecordShape
from gptcli.data.corpus.chunks import RANGE_BYTES, Chunk, Document, Parsed, Problem
from gptcli.data.corpus.inputs import TextInput
from gptcli.data.corpus.parquet_file import DEFAULT_COLUMN, Group, TextRows, open_rows
from gptcli.data.corpus.record_document import at_place, record_document
from gptcli.data.corpus.text_reader import decode
from gptcli.errors import CheckpointError, DataError


@dataclass(frozen=True)
class ParquetReader:
    """Reads rows in chunks of about ``step`` bytes, none of which spans two row groups."""

    source: TextInput
    options: ReadOptions
    step: int = 2**20
    most_rows: int = 1024
    shape: RecordShape = ANY_SHAPE

    def chunks(self, start: int = 0, end: int | None = None) -> Iterator[Chunk]:
        """See Reader. DataError where the file is damaged, or has no such column."""
        with self._opened() as file:
            for group in file.groups:
                if group.end > start and (end is None or group.start < end):
                    batches = self._batches(file, group)
                    yield from _between(batches, start, file.n_rows if end is None else end)
        self.source.check_unchanged()

    def parse(self, chunk: Chunk) -> Parsed:
        """See Reader. A null is a problem, and a record without a document."""
        documents: list[Document] = []
        problems: list[Problem] = []
        n_replaced = 0
        assert isinstance(chunk.content, tuple)
        for row, content in enumerate(chunk.content, chunk.offset):
            if content is None:
                problems.append(Problem(row, f"{self.options.field or DEFAULT_COLUMN!r} is null"))
                continue
            if self.has_records:
                try:
                    documents.append(record_document(content.decode(), row, None, self.shape))
                except ValueError as error:
                    problems.append(Problem(row, str(error)))
                except CheckpointError as error:  # of the chat template
                    raise at_place(self, row, error) from None
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

    @cached_property
    def has_records(self) -> bool:
        """Whether a row is a record of several columns, not one text."""
        with self._opened() as file:
            return file.has_records

    def _starts(self, group: Group) -> range:
        """The first row of each chunk of a row group."""
        rows = group.end - group.start
        mean = max(group.n_bytes // max(rows, 1), 1)
        at_once = min(max(self.step // mean, 1), self.most_rows, group.most_rows)
        return range(group.start, group.end, at_once)

    def _batches(self, file: TextRows, group: Group) -> Iterator[Chunk]:
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

    def _opened(self) -> AbstractContextManager[TextRows]:
        return open_rows(self.source.path, self.source.name, self.options.field)


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
