"""One sample while it is generated: its ids, its text so far, and why it ended."""

from collections.abc import Collection
from typing import Literal

from gptcli.tokenization.incremental import IncrementalDecoder
from gptcli.tokenization.tokenizer import Tokenizer

Finish = Literal["length", "stop", "end_of_text"]


class StopStrings:
    """Ends a text before its first stop string, however the text is cut into pieces.

    What may be the beginning of a stop string is held back until that is known.
    """

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops = stops
        self._held = ""
        self.found: str | None = None

    def feed(self, text: str) -> str:
        """Take a piece; returns the text that is certain by now, nothing after a stop string."""
        if self.found is not None:
            return ""
        text = self._held + text
        ends = [(text.find(stop) + len(stop), -len(stop), stop) for stop in self._stops]
        complete = [end for end in ends if text.find(end[2]) >= 0]
        if complete:
            end, _, self.found = min(complete)  # the longest of those that end there
            self._held = ""
            return text[: end - len(self.found)]
        cut = len(text) - self._longest_beginning(text)
        self._held = text[cut:]
        return text[:cut]

    def finish(self) -> str:
        """Return what was held back and did not become a stop string."""
        rest, self._held = self._held, ""
        return rest

    def _longest_beginning(self, text: str) -> int:
        """Length of the longest ending of ``text`` with which a stop string begins."""
        longest = max(map(len, self._stops), default=1) - 1
        return next(
            (n for n in range(min(longest, len(text)), 0, -1) if self._is_beginning(text[-n:])), 0
        )

    def _is_beginning(self, tail: str) -> bool:
        return any(stop.startswith(tail) for stop in self._stops)


class GrowingText:
    """The text in ``parts`` of whole characters, without the stop string or token that ended it.

    ``ids`` are all tokens that were drawn, also those of the stop string or the end.
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
        """The text that is certain so far."""
        return "".join(self.parts)

    def add(self, number: int) -> None:
        """Append a token; the text must not have ended."""
        assert self.finish is None, "this text has ended"
        self.ids.append(number)
        if number in self._ends:
            self.close("end_of_text")
            return
        self.parts.append(self._stops.feed(self._decoder.feed([number]).text))
        if self._stops.found is not None:
            self.finish = "stop"

    def close(self, reason: Finish) -> None:
        """End the text and add what was held back; a text that has ended stays as it is."""
        if self.finish is not None:
            return
        self.parts.append(self._stops.feed(self._decoder.finish().text))
        self.finish = reason if self._stops.found is None else "stop"
        self.parts.append(self._stops.finish())
