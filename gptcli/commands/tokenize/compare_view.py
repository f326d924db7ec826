"""A comparison for eyes: a table, bars, and the longest tokens."""

import math
from collections.abc import Sequence
from pathlib import Path

from rich.cells import cell_len
from rich.text import Text

from gptcli.commands.tokenize.compare import Side, TextSize
from gptcli.commands.tokenize.output import Output
from gptcli.commands.tokenize.token_view import (
    QUIET_COLOUR,
    append_wrapped,
    clipped,
    longest_labels,
)
from gptcli.commands.view.tables import Cell, Share, Table, to_text
from gptcli.commands.view.terminal import escape_controls

_EIGHTHS = " ▏▎▍▌▋▊▉"
_WIDEST_BAR = 50
_WIDEST_NAME = 24
_BAR_COLOUR = "cyan"
_COLUMNS = ("tokenizer", "vocabulary", "tokens", "bytes/token", "used")
_GIVING_WAY = ("used", "bytes/token")


def draw_comparison(name: str, size: TextSize, sides: Sequence[Side], output: Output) -> None:
    """Print it, or write it without colours."""
    title = _title(name, f"{size.characters:,} characters, {size.bytes:,} bytes", output.width)
    rows = tuple(_row(side, size) for side in sides)
    width = output.width
    tokens = [float(side.usage.n_tokens) for side in sides]
    books = [math.log(max(side.tokenizer.vocab_size, 2)) for side in sides]
    output.draw(
        to_text([Table(title, _COLUMNS, rows, _GIVING_WAY)], width, colour=False),
        _chart("tokens for this text", sides, tokens, [row[2] for row in rows], width),
        _chart("vocabulary (logarithmic)", sides, books, [row[1] for row in rows], width),
        _longest(sides, width),
    )


def _title(name: str, counts: str, width: int) -> str:
    """In one line where there is room."""
    title = f"{escape_controls(name)}: {counts}"
    return (
        title if cell_len(title) <= width else f"{clipped(escape_controls(name), width)}\n{counts}"
    )


def _row(side: Side, size: TextSize) -> tuple[Cell, ...]:
    ratio = f"{size.bytes / max(side.usage.n_tokens, 1):.2f}".rjust(len(_COLUMNS[3]))
    counts = side.tokenizer.vocab_size, side.usage.n_tokens
    return (_short(side.name), *counts, ratio, Share(side.used_share))


def _chart(
    title: str, sides: Sequence[Side], lengths: Sequence[float], shown: Sequence[Cell], width: int
) -> Text:
    """A bar for each side with its figure behind it."""
    names = _names(sides)
    figures = [f"{number:,}" for number in shown]
    room = width - cell_len(names[0]) - max(map(len, figures)) - 2
    largest = max(*lengths, 1.0)
    chart = Text().append(f"{title}\n", QUIET_COLOUR)
    for name, length, figure in zip(names, lengths, figures, strict=True):
        bar = _bar(length / largest, max(min(room, _WIDEST_BAR), 1))
        chart.append(f"{name} ").append(bar, _BAR_COLOUR).append(f" {figure}\n")
    return chart


def _bar(share: float, width: int) -> str:
    """Filled in eighths of a character, and never quite empty."""
    full, rest = divmod(max(round(share * width * 8), 1), 8)
    return "█" * full + (_EIGHTHS[rest] if rest else "")


def _longest(sides: Sequence[Side], width: int) -> Text:
    listed = Text().append("longest tokens in it", QUIET_COLOUR)
    for name, side in zip(_names(sides), sides, strict=True):
        listed.append(f"\n{name} ")
        labels = longest_labels(side.tokenizer.kind, side.usage.longest)
        append_wrapped(listed, labels, cell_len(name) + 1, width)
    return listed


def _names(sides: Sequence[Side]) -> list[str]:
    """As wide as the widest of them."""
    names = [_short(side.name) for side in sides]
    width = max(map(cell_len, names))
    return [name + " " * (width - cell_len(name)) for name in names]


def _short(name: str) -> str:
    """Of a long path, its end."""
    whole = escape_controls(name)
    shown = whole if cell_len(whole) <= _WIDEST_NAME else escape_controls(Path(name).name)
    return clipped(shown, _WIDEST_NAME)
