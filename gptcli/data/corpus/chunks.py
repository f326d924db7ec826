"""From inputs to documents: in chunks of bounded size that any thread can parse.

A chunk begins and ends at boundaries. Boundary k of an input is a function of the bytes near
k * step alone, so a range of an input is cut as the whole would be, without reading what is
before it, and processes that read different ranges agree.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from gptcli.data.chat.chat_template import DocumentPart
from gptcli.data.chat.contents import CorpusKind
from gptcli.data.corpus.inputs import TextInput

RANGE_BYTES = 2**26


@dataclass(frozen=True)
class Document:
    """A document, or the piece of a long one that is in this chunk.

    Attributes:
        parts: in order; one, except in prompts with completions and in conversations.
        offset: its first byte in the decompressed input; in Parquet its row, from 0.
        key: the sha256 that decides between train and val: that of its text, for a text file
            that of the first 64 KiB, so that all its pieces have the same, and for chats and pairs
            that of what is asked.
        is_start: whether this piece begins the document.
        is_end: whether this piece ends it.
        kind: what the record holds.

    """

    parts: tuple[DocumentPart, ...]
    offset: int
    key: bytes
    is_start: bool
    is_end: bool
    kind: CorpusKind = CorpusKind.TEXT

    @property
    def has_text(self) -> bool:
        """Whether the text is not empty."""
        return any(part.text for part in self.parts)

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts of its parts, without special tokens."""
        return tuple(part.text for part in self.parts if not part.special)


@dataclass(frozen=True)
class Problem:
    """A bad record, which gives no document: its offset (as in Document) and the reason."""

    offset: int
    reason: str


@dataclass(frozen=True)
class Parsed:
    """The documents of a chunk; ``n_replaced``: invalid sequences replaced or left out."""

    documents: tuple[Document, ...]
    problems: tuple[Problem, ...] = ()
    n_replaced: int = 0


@dataclass(frozen=True)
class Chunk:
    """A piece of an input between two boundaries.

    Attributes:
        offset: its first byte in the decompressed input; in Parquet its first row.
        content: its bytes; in Parquet the bytes of each row's text, or None for a null, or of
            each row as a record of JSON.
        is_last: whether it is the last chunk of the input, not only of a range.
        n_bytes: the size of the content.

    """

    offset: int
    content: bytes | tuple[bytes | None, ...]
    is_last: bool
    n_bytes: int


class Reader(Protocol):
    """Reads one input. It can be pickled, and used by several threads at once."""

    @property
    def source(self) -> TextInput:
        """The input."""
        ...

    def chunks(self, start: int = 0, end: int | None = None) -> Iterator[Chunk]:
        """The chunks from ``start`` to ``end`` (boundaries, from ``ranges``) in order.

        It takes constant memory. After the last chunk it raises DataError if the file has
        changed while it was read.
        """
        ...

    def parse(self, chunk: Chunk) -> Parsed:
        """The documents of a chunk; a pure function, safe to call from several threads.

        Raises DataError for bytes that are not UTF-8, unless the options allow them.
        """
        ...

    def place(self, offset: int) -> str:
        """The place of ``offset`` for messages, as "line 1,234" or "row 5"; reads the input."""
        ...

    def ranges(self) -> list[tuple[int, int | None]]:
        """Ranges of about 64 MiB, in order, for several machines; None is the end.

        A compressed input is one range.
        """
        ...

    def expected_bytes(self) -> int:
        """The size of all chunks together: exact for plain files, else an estimate."""
        ...

    def expected_chunks(self) -> int:
        """About how many chunks there will be."""
        ...

    def thinned(self, first: int, every: int) -> Iterator[Chunk]:
        """Every ``every``-th chunk from number ``first`` on, without reading the others.

        Compressed inputs have to be read whole.
        """
        ...
