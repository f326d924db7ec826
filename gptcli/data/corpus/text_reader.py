"""A file that is one text."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from gptcli.data.corpus.borders import text_border
from gptcli.data.corpus.cutting import Cutter, line_of
from gptcli.data.corpus.decoding import decode
from gptcli.data.corpus.inputs import TextInput
from gptcli.data.corpus.reading import (
    RANGE_BYTES,
    Document,
    Parsed,
    Part,
    ReadOptions,
    Stretch,
)
from gptcli.data.text import not_utf8
from gptcli.data.tokenization.cuts import Cuts
from gptcli.errors import DataError

STEP = 2**20
STEP_OF_FORCED_CUTS = 2**22  # fewer of them where each may cost a token
KEY_BYTES = 2**16


@dataclass(frozen=True)
class TextReader:
    """Reads a text in stretches of about ``step`` bytes, cut where ``cuts`` allows.

    Where it allows no place for a whole step, the cut is between two characters.
    """

    source: TextInput
    options: ReadOptions
    cuts: Cuts
    step: int = STEP

    def stretches(self, start: int = 0, end: int | None = None) -> Iterator[Stretch]:
        """See Reader."""
        return self._cutter.stretches(start, end)

    def parse(self, stretch: Stretch) -> Parsed:
        """See Reader."""
        assert isinstance(stretch.content, bytes)
        try:
            text, n_replaced = decode(stretch.content, self.options.errors)
        except UnicodeDecodeError as error:
            byte = stretch.content[error.start]
            raise not_text(self.source, stretch.offset + error.start, byte) from None
        document = Document(
            parts=(Part(text),),
            offset=stretch.offset,
            key=self.key,
            is_start=stretch.offset == 0,
            is_end=stretch.is_last,
        )
        return Parsed((document,), n_replaced=n_replaced)

    def place(self, offset: int) -> str:
        """See Reader."""
        return f"line {line_of(self.source, offset):,}"

    def ranges(self, n_bytes: int = RANGE_BYTES) -> list[tuple[int, int | None]]:
        """See Reader."""
        return self._cutter.ranges(n_bytes)

    def expected_bytes(self) -> int:
        """See Reader."""
        return self._cutter.expected_bytes()

    def expected_stretches(self) -> int:
        """See Reader."""
        return self._cutter.expected_stretches()

    def thinned(self, first: int, every: int) -> Iterator[Stretch]:
        """See Reader."""
        return self._cutter.thinned(first, every)

    @cached_property
    def key(self) -> bytes:
        """Sha256 of how the text begins."""
        with self.source.open() as file:
            return hashlib.sha256(file.read(KEY_BYTES)).digest()

    @property
    def _cutter(self) -> Cutter:
        return Cutter(self.source, text_border(self.cuts), self.step)


def open_text(source: TextInput, options: ReadOptions, cuts: Cuts) -> TextReader:
    """The reader of a text, with steps that suit ``cuts``."""
    step = STEP_OF_FORCED_CUTS if cuts is Cuts.NOWHERE else STEP
    return TextReader(source, options, cuts, step)


def not_text(source: TextInput, offset: int, byte: int) -> DataError:
    """The error for the first byte that is not UTF-8, with its place and the ways out."""
    with source.open() as file:
        start = file.read(2**13)
    place = f"at offset {offset:,} (line {line_of(source, offset):,})"
    return DataError(f"{not_utf8(source.name, byte, place, start)}, or --errors replace")
