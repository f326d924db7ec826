"""Decoding ids one after another, in whole characters, to the same text as all at once."""

from dataclasses import dataclass

from gptcli.tokenization.tokenizer import Tokenizer
from gptcli.tokenization.vocabulary import Vocabulary

_MOST_HELD = 2**18  # tokens without one whole character among them


@dataclass(frozen=True)
class Piece:
    """Some whole characters, and their ids."""

    text: str
    ids: list[int]


class IncrementalDecoder:
    """Gives the text of ids as soon as no later id can change it.

    A token may hold a part of a character, and may have another text at the beginning than
    within a text; so a piece ends where a character does, and is decoded together with the
    token before it.
    """

    def __init__(self, tokenizer: Tokenizer, most_held: int = _MOST_HELD) -> None:
        self._tokenizer = tokenizer
        self._vocabulary = Vocabulary(tokenizer)
        self._most_held = most_held
        self._before: list[int] = []
        self._pending: list[int] = []

    def feed(self, ids: list[int]) -> Piece:
        """Take ids and return the text that is certain by now; the rest is held back."""
        held = len(self._pending)
        self._pending += ids
        cut = self._last_whole(held)
        if not cut and len(self._pending) > self._most_held:
            cut = len(self._pending)
        return self._take(cut)

    def finish(self) -> Piece:
        """Return the text that was held back, with U+FFFD for incomplete characters."""
        return self._take(len(self._pending))

    def _last_whole(self, held: int) -> int:
        """The largest number of pending ids after which a character certainly ends; 0 if none.

        After the first ``held`` ids none ends, as an earlier call has found.
        """
        places = range(len(self._pending), held, -1)
        return next((n for n in places if self._vocabulary.ends_whole(self._pending, n)), 0)

    def _take(self, cut: int) -> Piece:
        ids, self._pending = self._pending[:cut], self._pending[cut:]
        if not ids:
            return Piece("", [])
        decode = self._tokenizer.decode
        text = decode([*self._before, *ids])[len(decode(self._before)) :]
        self._before = ids[-1:]
        return Piece(text, ids)
