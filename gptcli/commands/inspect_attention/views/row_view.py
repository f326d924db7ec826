"""``--token``: what one token draws from which of the tokens before it, head by head."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich.cells import cell_len
from rich.text import Text

from gptcli.commands.inspect_attention.cells import WEIGHTS, scale_lines
from gptcli.commands.inspect_attention.heatmap import WIDEST_CELL, draw_rows, layout_of
from gptcli.commands.inspect_attention.views.focus import Focus, percent, token_name
from gptcli.commands.view.canvas import Canvas
from gptcli.commands.view.drawing import quoted, words
from gptcli.commands.view.tables import Cell, Figure, Table
from gptcli.inspection.heads import Head
from gptcli.inspection.report import Token
from gptcli.inspection.token_row import TokenRow
from gptcli.inspection.window import fit_window
from gptcli.runtime.escapes import visible

_SHOWN = 16  # heads, if none are chosen
_STRONGEST = 2
_BESIDE_FROM = 90  # columns of a terminal that has room for words beside the cells


def row_focus(row: TokenRow, tokens: Sequence[Token], chosen: Sequence[Head]) -> Focus:
    """The row of a token in the chosen heads, else in those that draw most from other words."""
    heads = [head for head in row.ranked if not chosen or head in chosen]
    seen = tokens[: row.query + 1]
    title = f"What {token_name(tokens, row.query)} draws from the tokens before it, head by head"
    names = tuple(f"{token.i} {visible(token.text)}" for token in seen)
    table = Table(title, ("head", *names), tuple(_cells(row, head) for head in heads), folds=True)

    def drawing(canvas: Canvas) -> Iterator[Text | str]:
        return _draw(canvas, title, row, seen, heads if chosen else heads[:_SHOWN])

    def document() -> dict[str, Any]:
        return {"i": tokens[row.query].i, "heads": row_documents(row, heads)}

    return Focus("row", document, (table,), table, drawing)


def _draw(
    canvas: Canvas, title: str, row: TokenRow, tokens: Sequence[Token], heads: Sequence[Head]
) -> Iterator[Text | str]:
    width = max(len(str(head)) for head in heads) + 1
    labels = tuple(str(head).ljust(width) for head in heads)
    beside = tuple(_strongest(row, head, tokens) for head in heads)
    beside = beside if canvas.width >= _BESIDE_FROM else ()
    room = canvas.width - width - max(map(cell_len, beside), default=0) - 2
    widest = max(cell_len(visible(token.text)) for token in tokens) + 1
    window = fit_window(len(tokens), room, min(widest, WIDEST_CELL))
    layout = layout_of(tokens, window, labels, beside)
    rows = [row.weights[head] for head in heads]
    cropped = [[sum(one[: window.first]), *one[window.first :]] for one in rows]
    yield from words(canvas, title, "bold")
    yield from draw_rows(canvas, layout, tokens, cropped if window.is_cropped else rows)
    yield Text()
    yield from scale_lines(canvas, window.cell_width, WEIGHTS)
    yield from words(
        canvas,
        "Heads with the most on one token are first, not counting the first token and itself. "
        f"{len(heads)} of {len(row.weights)} heads are shown; --json has all.",
    )
    if window.is_cropped:
        first, last = tokens[0].i, tokens[window.first - 1].i
        yield from words(canvas, f"The column … has the sum over tokens {first} to {last}.")
    if layout.is_numbered:
        yield from words(canvas, "Above a column, read downward: the number of its token.")


def _strongest(row: TokenRow, head: Head, tokens: Sequence[Token]) -> str:
    """``'·blue' 43%, 'a' 12%``."""
    pairs = row.strongest(head, _STRONGEST)
    return ", ".join(f"{quoted(tokens[place].text)} {percent(weight)}" for place, weight in pairs)


def _cells(row: TokenRow, head: Head) -> tuple[Cell, ...]:
    return str(head), *(Figure(weight, percent(weight)) for weight in row.weights[head])


def row_documents(row: TokenRow, heads: Sequence[Head]) -> list[dict[str, Any]]:
    """The weights of these heads, for JSON."""
    return [
        {"layer": head.layer, "head": head.index, "weights": row.weights[head]} for head in heads
    ]
