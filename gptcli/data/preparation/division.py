"""Dividing documents into train and val."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from gptcli.config.checks import counted
from gptcli.config.data import FEWEST_DOCUMENTS, PrepareConfig, SplitBy
from gptcli.data.corpus.chunks import Document, Reader
from gptcli.data.corpus.inputs import DocumentLayout
from gptcli.data.preparation.scan import Scan
from gptcli.errors import DataError

_KEYS = 2**64


@dataclass(frozen=True)
class Cut:
    """The place where val begins: the number of an input, and an offset in it."""

    input: int
    offset: int


@dataclass(frozen=True)
class Division:
    """Divides documents: val is everything from ``cut`` on or, without one, the lowest keys.

    By its key a document, and every copy of it, is in the same split in whatever corpus.
    """

    val_fraction: float
    cut: Cut | None = None

    def split_of(self, number: int, document: Document) -> str:
        """``train`` or ``val``, for a document of input ``number``."""
        if self.cut is not None:
            is_val = (number, document.offset) >= (self.cut.input, self.cut.offset)
        else:
            is_val = int.from_bytes(document.key[:8], "big") < self.val_fraction * _KEYS
        return "val" if is_val else "train"

    def begins_val(self, number: int, document: Document) -> bool:
        """Whether val begins with this document, which may be the middle of a text."""
        return self.cut == Cut(number, document.offset)


def choose_split(asked: SplitBy | None, is_collection: bool, documents: int) -> SplitBy:
    """The user's choice; by default by document in a collection that has enough of them."""
    if asked is not None:
        return asked
    many = is_collection and documents >= FEWEST_DOCUMENTS
    return SplitBy.DOCUMENT if many else SplitBy.TEXT


def divide(
    readers: Sequence[Reader], scan: Scan, split_by: SplitBy, config: PrepareConfig
) -> Division:
    """The division of a scanned corpus; DataError where one split would be empty."""
    if split_by is SplitBy.DOCUMENT or config.val_fraction == 0:
        return Division(config.val_fraction)
    target = int((1 - config.val_fraction) * scan.characters)
    if target == 0 or target == scan.characters:
        raise DataError(
            f"{scan.title} has {counted(scan.characters, 'character')}: --val-fraction "
            f"{config.val_fraction:g} would leave {target} to train on and "
            f"{scan.characters - target} to hold out for validation: give more text, or "
            "--val-fraction 0"
        )
    return Division(config.val_fraction, _find_cut(readers, scan, target))


def _find_cut(readers: Sequence[Reader], scan: Scan, target: int) -> Cut:
    """Find the place of character ``target``; among records, the start of the next record."""
    index = bisect_left(scan.marks, target + 1, key=lambda mark: mark.characters_before) - 1
    mark = scan.marks[index]
    reader = readers[mark.input]
    chunk = next(reader.chunks(mark.offset))
    if reader.source.layout is DocumentLayout.TEXT:
        assert isinstance(chunk.content, bytes)
        return Cut(
            mark.input, mark.offset + _byte_of(chunk.content, target - mark.characters_before)
        )
    position = mark.characters_before
    for document in reader.parse(chunk).documents:
        if position >= target:
            return Cut(mark.input, document.offset)
        position += sum(map(len, document.texts))
    if index + 1 == len(scan.marks):
        raise DataError(
            f"{scan.title} has no record to hold out after its first {target:,} characters: "
            "use --split-by document, or --val-fraction 0"
        )
    following = scan.marks[index + 1]
    return Cut(following.input, following.offset)


def _byte_of(content: bytes, characters: int) -> int:
    """The length in bytes of the first ``characters``; invalid bytes count as U+FFFD."""

    def decoded(length: int) -> int:
        return len(content[:length].decode("utf-8", "replace"))

    length = bisect_left(range(len(content) + 1), characters, key=decoded)
    while length < len(content) and content[length] & 0xC0 == 0x80:
        length += 1
    return length
