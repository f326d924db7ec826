"""Cutting an input into chunks, which are the same whichever range of it is read.

An input is divided into blocks of ``step`` bytes. Each block but the first has at most one
boundary, which depends on the block and the few bytes before it alone. So a range has the same
boundaries as the whole input, and a chunk of text is shorter than two blocks, however long a
line is.
"""

import abc
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from io import BufferedReader
from itertools import islice

from gptcli.data.corpus.chunks import RANGE_BYTES, Chunk
from gptcli.data.corpus.compression import Compression
from gptcli.data.corpus.inputs import DocumentLayout, TextInput
from gptcli.errors import DataError
from gptcli.tokenization.splits import Cuts

LONGEST_CHARACTER = 4  # bytes of UTF-8
_WINDOWS = (2**8, 2**14)  # bytes searched first, as a safe place is usually near

# The space or newline, if the character before it is alphanumeric: \w is that or an underscore.
SAFE_PLACES = {
    Cuts.WORDS: re.compile(r"[ \n](?<=[^\W_][ \n])"),
    Cuts.SPACES: re.compile(r" (?<=[^\W_] )"),
}


@dataclass(frozen=True)
class ByteBlock:
    """A block of an input: its offset, a few bytes before it, its content, and if it is last."""

    offset: int
    before: bytes
    content: bytes
    is_final: bool


FindBoundary = Callable[[ByteBlock], int | None]


def text_boundary(cuts: Cuts) -> FindBoundary:
    """Return the search for the first place in a block where ``cuts`` allows a boundary.

    If there is none in the block, the search returns the first place between two characters.
    """
    safe = SAFE_PLACES.get(cuts)
    return _character_boundary if safe is None else partial(_safe_or_forced, safe)


def line_boundary(block: ByteBlock) -> int | None:
    """Find the place after the first newline of a block; None where there is none."""
    return block.content.find(b"\n") + 1 or None


def _safe_or_forced(safe: re.Pattern[str], block: ByteBlock) -> int:
    stop = 0
    for window in (*_WINDOWS, len(block.content)):
        start, stop = stop, min(window, len(block.content))
        before = (block.before + block.content[:start])[-LONGEST_CHARACTER:]
        found = _first_match(safe, before + block.content[start:stop], len(before))
        if found is not None:
            return start + found
    return _character_boundary(block)


def _first_match(safe: re.Pattern[str], content: bytes, least: int) -> int | None:
    """Find the first match from byte ``least`` on, counted from there.

    Bytes that are not UTF-8, such as half a character at the edges, become surrogates, which are
    not alphanumeric, so that they never make a place look safe.
    """
    if not any(sign in content for sign in b" \n"):  # much faster than the pattern
        return None
    text = content.decode("utf-8", "surrogateescape")
    for match in safe.finditer(text):
        place = len(text[: match.start()].encode("utf-8", "surrogateescape"))
        if place >= least:
            return place - least
    return None


def _character_boundary(block: ByteBlock) -> int:
    """Find the first byte that begins a character.

    A character has at most four bytes, so it ends after at most three that continue it.
    """
    most = LONGEST_CHARACTER - 1
    beginnings = (i for i, byte in enumerate(block.content[:most]) if byte & 0xC0 != 0x80)
    return next(beginnings, most)


@dataclass(frozen=True)
class Cutter:
    """How an input is cut.

    Attributes:
        source: the input.
        find: the boundary within a block, counted from its start; None where there is none.
        step: the size of a block, at least 4 bytes.
        longest: the longest chunk in bytes, where boundaries may be far apart.

    """

    source: TextInput
    find: FindBoundary
    step: int
    longest: int | None = None

    def chunks(self, start: int = 0, end: int | None = None) -> Iterator[Chunk]:
        """The content from ``start`` to ``end``, cut there and at the boundaries between them."""
        pending: list[memoryview] = []
        begun, is_last = start, False
        for block in self._blocks(start):
            low = max(start - block.offset, 0)
            high = len(block.content) if end is None else end - block.offset
            boundary = self._boundary(block)
            view = memoryview(block.content)
            is_inside = boundary is not None and block.offset + boundary > begun
            if boundary is not None and is_inside and (end is None or boundary < high):
                yield _chunk(begun, [*pending, view[low:boundary]], is_last=False)
                pending, begun, low = [], block.offset + boundary, boundary
            pending.append(view[low : max(high, low)])
            self._check_length(begun, pending)
            is_last = block.is_final and high >= len(block.content)
            if end is not None and high <= len(block.content):
                break
        if any(map(len, pending)):
            yield _chunk(begun, pending, is_last)
        self.source.check_unchanged()

    def ranges(self, n_bytes: int) -> list[tuple[int, int | None]]:
        """Ranges of about ``n_bytes`` that end at boundaries; one, if the input is compressed."""
        boundaries = [0]
        if self.source.compression is Compression.NONE:
            for target in range(n_bytes, self.source.n_bytes, n_bytes):
                found = next(self._boundaries(-(-target // self.step)), None)
                if found is not None and found > boundaries[-1]:
                    boundaries.append(found)
        return list(zip(boundaries, [*boundaries[1:], None], strict=True))

    def thinned(self, first: int, every: int) -> Iterator[Chunk]:
        """One chunk in ``every``, from number ``first`` on."""
        if every == 1 or self.source.compression is not Compression.NONE:
            yield from islice(self.chunks(), first, None, every)
            return
        for number in range(first, -(-self.source.n_bytes // self.step), every):
            start = next(self._boundaries(number), None) if number else 0
            if start is not None:
                yield from islice(self.chunks(start), 1)
        self.source.check_unchanged()

    def expected_bytes(self) -> int:
        """The size of the input; an estimate, if it is compressed."""
        return self.source.expected_bytes()

    def expected_chunks(self) -> int:
        """The number of blocks."""
        return -(-self.expected_bytes() // self.step)

    def _boundaries(self, number: int) -> Iterator[int]:
        """Find the boundaries of the blocks from ``number`` on, as offsets in the input."""
        for block in self._blocks(number * self.step):
            if (found := self._boundary(block)) is not None:
                yield block.offset + found

    def _boundary(self, block: ByteBlock) -> int | None:
        """Find the boundary in a block; the start and the end of the input are none."""
        found = self.find(block) if block.offset else None
        if found is None or (block.is_final and found >= len(block.content)):
            return None
        return found

    def _blocks(self, start: int) -> Iterator[ByteBlock]:
        """Read the blocks from the one on that contains ``start``."""
        offset = start // self.step * self.step
        with self.source.open() as file:
            before = _before(file, offset, self.step)
            content = file.read(self.step)
            while content:
                following = file.read(self.step)
                yield ByteBlock(offset, before, content, is_final=not following)
                before = content[-LONGEST_CHARACTER:]
                offset += len(content)
                content = following

    def _check_length(self, begun: int, pending: list[memoryview]) -> None:
        if self.longest is not None and sum(map(len, pending)) > self.longest:
            raise DataError(
                f"{self.source.name} has a line longer than {self.longest // 2**20} MiB, in or "
                f"after {line_place(self.source, begun)}: a line should hold one record of JSON"
            )


class CutReader(abc.ABC):
    """A Reader whose input is cut by a Cutter; subclasses add ``parse``."""

    @property
    @abc.abstractmethod
    def cutter(self) -> Cutter:
        """How the input is cut."""

    def chunks(self, start: int = 0, end: int | None = None) -> Iterator[Chunk]:
        """See Reader."""
        return self.cutter.chunks(start, end)

    def place(self, offset: int) -> str:
        """See Reader."""
        return line_place(self.cutter.source, offset)

    def ranges(self, n_bytes: int = RANGE_BYTES) -> list[tuple[int, int | None]]:
        """See Reader."""
        return self.cutter.ranges(n_bytes)

    def expected_bytes(self) -> int:
        """See Reader."""
        return self.cutter.expected_bytes()

    def expected_chunks(self) -> int:
        """See Reader."""
        return self.cutter.expected_chunks()

    def thinned(self, first: int, every: int) -> Iterator[Chunk]:
        """See Reader."""
        return self.cutter.thinned(first, every)


def line_place(source: TextInput, offset: int) -> str:
    """The line with ``offset``, for messages; in a copy with a record a line, the record."""
    unit = "record" if source.layout is DocumentLayout.JSON else "line"
    return f"{unit} {line_of(source, offset):,}"


def line_of(source: TextInput, offset: int) -> int:
    """The number, from 1, of the line with ``offset``; reads the input up to there."""
    line, left = 1, offset
    with source.open() as file:
        while left > 0 and (content := file.read(min(left, 2**20))):
            line += content.count(b"\n")
            left -= len(content)
    return line


def content_from(source: TextInput, offset: int, n_bytes: int) -> bytes:
    """At most so many bytes from ``offset`` on; reads the input up to there."""
    with source.open() as file:
        _before(file, offset, n_bytes)
        return file.read(n_bytes)


def _before(file: BufferedReader, offset: int, step: int) -> bytes:
    """Seek to ``offset`` and return the few bytes before it."""
    if file.seekable():
        file.seek(max(offset - LONGEST_CHARACTER, 0))
        return file.read(min(offset, LONGEST_CHARACTER))
    before = b""
    while offset > 0 and (content := file.read(min(step, offset))):
        before = (before + content)[-LONGEST_CHARACTER:]
        offset -= len(content)
    return before


def _chunk(offset: int, pieces: list[memoryview], is_last: bool) -> Chunk:
    content = b"".join(pieces)
    return Chunk(offset, content, is_last, len(content))
