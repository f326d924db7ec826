"""Reading a file that contains one text."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

from gptcli.config.data import Errors, ReadOptions
from gptcli.data.chat.chat_template import DocumentPart
from gptcli.data.corpus.chunks import Chunk, Document, Parsed
from gptcli.data.corpus.cutting import CutReader, Cutter, content_from, line_place, text_boundary
from gptcli.data.corpus.inputs import DocumentLayout, TextInput
from gptcli.data.encodings import START_BYTES, marked_encoding, not_utf8
from gptcli.errors import DataError
from gptcli.tokenization.splits import Cuts

STEP = 2**20
STEPS = {
    Cuts.ANYWHERE: 2**18,  # encoding is so fast per byte that the processor's caches matter
    Cuts.NOWHERE: 2**22,  # fewer forced cuts, where each may cost a token
}
KEY_BYTES = 2**16
_REPLACEMENT = "\ufffd"


@dataclass(frozen=True)
class TextReader(CutReader):
    """Reads a text in chunks of about ``step`` bytes, cut where ``cuts`` allows.

    If it allows none within a whole step, the cut is between any two characters.
    """

    source: TextInput
    options: ReadOptions
    cuts: Cuts
    step: int = STEP

    def parse(self, chunk: Chunk) -> Parsed:
        """See Reader."""
        assert isinstance(chunk.content, bytes)
        try:
            text, n_replaced = decode(chunk.content, self.options.errors)
        except UnicodeDecodeError as error:
            byte = chunk.content[error.start]
            raise not_text(self.source, chunk.offset + error.start, byte) from None
        document = Document(
            parts=(DocumentPart(text),),
            offset=chunk.offset,
            key=self.key,
            is_start=chunk.offset == 0,
            is_end=chunk.is_last,
        )
        return Parsed((document,), n_replaced=n_replaced)

    @cached_property
    def key(self) -> bytes:
        """Sha256 of the first 64 KiB: every chunk of the text has the same."""
        with self.source.open() as file:
            return hashlib.sha256(file.read(KEY_BYTES)).digest()

    @property
    def cutter(self) -> Cutter:
        """Cut between words or characters, as ``cuts`` says."""
        return Cutter(self.source, text_boundary(self.cuts), self.step)


def open_text(source: TextInput, options: ReadOptions, cuts: Cuts) -> TextReader:
    """The reader of a text, in steps that suit ``cuts``."""
    return TextReader(source, options, cuts, STEPS.get(cuts, STEP))


def not_text(source: TextInput, offset: int, byte: int) -> DataError:
    """The error for the first byte that is not UTF-8, with its place and a remedy."""
    with source.open() as file:
        start = file.read(START_BYTES)
    place = f"at offset {offset:,} ({line_place(source, offset)})"
    if source.layout is DocumentLayout.JSON:  # the offset is one of the copy
        place = f"in {line_place(source, offset)}"
    message = not_utf8(source.name, byte, place, start, content_from(source, offset, STEP))
    return DataError(message if marked_encoding(start) else f"{message}, or --errors replace")


def decode(content: bytes, errors: Errors) -> tuple[str, int]:
    """The text, and how many invalid sequences were replaced by U+FFFD or left out.

    A byte order mark stays, as a character. Raises UnicodeDecodeError if ``errors`` is strict.
    """
    try:
        return content.decode("utf-8"), 0
    except UnicodeDecodeError:
        if errors == "strict":
            raise
    replaced = content.decode("utf-8", "replace")
    # The text may already contain U+FFFD, which does not count.
    count = replaced.count(_REPLACEMENT) - content.count(_REPLACEMENT.encode())
    return (replaced if errors == "replace" else content.decode("utf-8", "ignore")), count
