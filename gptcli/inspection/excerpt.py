"""The part of a text that a model reads, and the part of that which is measured and shown."""

import re
from dataclasses import dataclass, replace

from gptcli.errors import UsageError

_RANGE = re.compile(r"([0-9]{0,12}):([0-9]{0,12})")


@dataclass(frozen=True)
class Excerpt:
    """Tokens ``first`` to ``stop`` - 1 of those that a model reads, in cells of ``cell`` tokens.

    Where a cell has several tokens, queries and keys alike, a pattern is pooled (patterns.py).
    """

    first: int
    stop: int
    cell: int = 1

    @property
    def n_tokens(self) -> int:
        """The number of tokens."""
        return self.stop - self.first

    @property
    def n_cells(self) -> int:
        """The number of cells in a row or column of a pattern; the last may be shorter."""
        return -(-self.n_tokens // self.cell)

    def pooled(self, most: int) -> "Excerpt":
        """The same tokens in the smallest cells of which at most ``most`` are needed."""
        return replace(self, cell=max(-(-self.n_tokens // most), 1))


@dataclass(frozen=True)
class TextPart:
    """The tokens of a text that a model reads, ``start`` to ``stop`` - 1, and what is shown."""

    start: int
    stop: int
    shown: Excerpt

    @classmethod
    def whole(cls, n_tokens: int, start: int = 0) -> "TextPart":
        """All of the ``n_tokens`` that are read, from token ``start`` of the text on."""
        return cls(start, start + n_tokens, Excerpt(0, n_tokens))


def parse_window(window: str) -> tuple[int | None, int | None]:
    """``A:B`` as two places in a text, None where one is left out; UsageError for another form."""
    match = _RANGE.fullmatch(window.strip())
    first, stop = (int(part) if part else None for part in match.groups()) if match else (0, 0)
    if stop is not None and (first or 0) >= stop:
        raise UsageError(
            f"--window {window} is not a part of a text: give the place of the first token, a "
            "colon and the place after the last, such as 100:200"
        )
    return first, stop


def check_window(window: str) -> None:
    """UsageError unless the window has the form ``A:B``."""
    parse_window(window)


def choose_part(n_tokens: int, context: int, window: str | None = None) -> TextPart:
    """What a model with this context reads of a text, so that it sees the window, if one is given.

    A text that fits is read whole, of a longer one the last tokens, or those up to the end of
    the window. UsageError for a window outside the text, or one longer than the context.
    """
    first, stop = (None, None) if window is None else parse_window(window)
    first, stop = first or 0, n_tokens if stop is None else stop
    if stop > n_tokens or first >= n_tokens:
        raise UsageError(
            f"--window {window} is not in the text: its {n_tokens:,} tokens are 0:{n_tokens}"
        )
    end = stop if n_tokens > context else n_tokens
    start = max(end - context, 0)
    if window is None:
        first = start
    if first < start:
        raise UsageError(
            f"--window {window} has {stop - first:,} tokens, more than the context of the model: "
            f"choose at most {context:,}, such as {stop - context}:{stop}"
        )
    return TextPart(start, end, Excerpt(first - start, stop - start))
