"""One sample while it is written: its ids, its text so far, and why it ended."""

from collections.abc import Collection
from typing import Literal

from gptcli.generation.stop_strings import StopStrings
from gptcli.tokenization.incremental import IncrementalDecoder
from gptcli.tokenization.tokenizer import Tokenizer

Finish = Literal["length", "stop", "end_of_text"]


class GrowingText:
    """Text in pieces of whole characters, without the stop string or the token that ended it.

    ``ids`` are all that were drawn, those included.
    """

    def __init__(self, tokenizer: Tokenizer, stops: tuple[str, ...], ends: Collection[int]) -> None:
        self._decoder = IncrementalDecoder(tokenizer)
        self._stops = StopStrings(stops)
        self._ends = ends
        self.ids: list[int] = []
        self.parts: list[str] = []
        self.finish: Finish | None = None

    @property
    def text(self) -> str:
        """What is certain so far."""
        return "".join(self.parts)

    def add(self, number: int) -> None:
        """Take a new token; the text must not have ended."""
        assert self.finish is None, "this text has ended"
        self.ids.append(number)
        if number in self._ends:
            self.close("end_of_text")
            return
        self.parts.append(self._stops.feed(self._decoder.feed([number]).text))
        if self._stops.found is not None:
            self.finish = "stop"

    def close(self, reason: Finish) -> None:
        """End the text here, with what was held back; a text that has ended stays as it is."""
        if self.finish is not None:
            return
        self.parts.append(self._stops.feed(self._decoder.finish().text))
        self.finish = reason if self._stops.found is None else "stop"
        self.parts.append(self._stops.finish())
