"""Feeding texts in pieces to a trainer of the library."""

import re
from collections.abc import Iterable, Iterator

from gptcli.errors import DataError
from gptcli.runtime.progress import Advance

# The library holds 256 pieces at a time, and is fastest at counting words in short ones.
PIECE = 2**14  # characters
# The kinds of characters of which words consist: letters, digits, signs or white space.
_KINDS = (r"[^\W\d_]", r"\d", r"(?:[^\w\s]|_)", r"\s")
_PLACE = re.compile(r"[^\W_](?=[ \n])")  # where Cuts.WORDS allows a cut
LONG = 512  # characters; the time that a trainer takes for a word is the square of its length
_LONG_WORD = re.compile("|".join(f"{kind}{{{LONG}}}" for kind in _KINDS))


class Feed:
    """Reads texts once, reports progress, and keeps errors that the library would replace."""

    def __init__(self, texts: Iterable[str], advance: Advance) -> None:
        self._texts = texts
        self._advance = advance
        self._is_empty = True
        self._error: BaseException | None = None

    def texts(self) -> Iterator[str]:
        """The texts, unchanged."""
        for text in self._texts:
            self._is_empty = self._is_empty and not text
            yield text
            self._advance(len(text) if text.isascii() else len(text.encode("utf-8")))

    def pieces(self, divide_words: bool = True) -> Iterator[str]:
        """The texts in short pieces, cut between words.

        With ``divide_words`` words of more than twice LONG characters are divided too. An error
        in the texts ends the pieces; ``check`` raises it.
        """
        try:
            for text in self.texts():
                for piece in _pieces(text):
                    yield from _without_long_words(piece) if divide_words else (piece,)
        except Exception as error:
            self._error = error

    def check(self) -> None:
        """Raise the error in the texts, if any; DataError where there was no text."""
        if self._error:
            raise self._error
        if self._is_empty:
            raise DataError("the text is empty: give some text to make a tokenizer from")


def _pieces(text: str) -> Iterator[str]:
    start = 0
    while place := _PLACE.search(text, start + PIECE):
        yield text[start : place.end()]
        start = place.end()
    yield text[start:]


def _without_long_words(piece: str) -> Iterator[str]:
    """The piece, cut every LONG characters where that is within a long word."""
    start = 0
    for place in range(LONG, len(piece) - LONG, LONG):
        if _LONG_WORD.match(piece, place):
            yield piece[start:place]
            start = place
    yield piece[start:]
