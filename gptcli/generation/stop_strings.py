"""Stop strings in a text that comes in pieces, however the pieces are cut."""


class StopStrings:
    """Ends a text before the first stop string that is complete.

    What may be the beginning of one is held back until that is known.
    """

    def __init__(self, stops: tuple[str, ...]) -> None:
        self._stops = stops
        self._held = ""
        self.found: str | None = None

    def feed(self, text: str) -> str:
        """The text that surely belongs to the output; nothing after a stop string."""
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
        """What was held back in vain."""
        rest, self._held = self._held, ""
        return rest

    def _longest_beginning(self, text: str) -> int:
        """Length of the longest end of ``text`` that some stop string begins with."""
        longest = max(map(len, self._stops), default=1) - 1
        return next(
            (n for n in range(min(longest, len(text)), 0, -1) if self._is_beginning(text[-n:])), 0
        )

    def _is_beginning(self, tail: str) -> bool:
        return any(stop.startswith(tail) for stop in self._stops)
