"""One head's pattern in a terminal: queries down, keys across, labelled with their tokens."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, chop_cells, set_cell_size
from rich.text import Text

from gptcli.commands.inspect_attention.cells import (
    MASKED,
    PERCENT,
    WEIGHTS,
    Scale,
    draw_cell,
    in_cell,
    scale_lines,
)
from gptcli.commands.view.canvas import Canvas, clipped
from gptcli.commands.view.drawing import SECONDARY, heading, quoted, style, words
from gptcli.inspection.report import Token
from gptcli.inspection.stage_names import DEFAULT_STAGE, SCORES, UNMASKED, Stage
from gptcli.inspection.window import Window, fit_window
from gptcli.runtime.escapes import visible

_LABEL_WIDTH = 10
_HEADER_LINES = 4
WIDEST_CELL = 12
_LISTED = 16  # rows whose predictions are listed below, at most
_GAP = "  "
_EARLIER = "…"


@dataclass(frozen=True)
class Layout:
    """The window to show, the labels of its rows, and the texts beside them, if there is room."""

    window: Window
    labels: tuple[str, ...]
    beside: tuple[str, ...] = ()
    is_short: bool = False
    is_numbered: bool = False  # columns have the numbers of their rows above them


def plan(canvas: Canvas, tokens: Sequence[Token], scale: Scale = WEIGHTS) -> Layout:
    """Choose the longest texts that leave room for all tokens, else show only the last tokens."""
    widest = min(max(cell_len(visible(token.text)) for token in tokens) + 1, WIDEST_CELL)
    widest = max(widest, scale.width)
    labels = _labels(tokens, min(_LABEL_WIDTH, max(canvas.width // 8, 3)))
    room = canvas.width - cell_len(labels[0])
    long = tuple(expectation(token) for token in tokens)
    short = tuple(_short(token) for token in tokens)
    choices: list[tuple[tuple[str, ...], int]] = [(long, 2), (short, 2)]
    choices += [((), 2)] if len(tokens) <= _LISTED else []
    for beside, least_cell in [*choices, (short, 1)]:
        left = room - (len(_GAP) + max(map(cell_len, beside)) if beside else 0)
        if len(tokens) * least_cell <= left:
            window = fit_window(len(tokens), left, widest)
            break
    else:
        window, beside = fit_window(len(tokens), room), ()
    rows = slice(window.first, None)
    return layout_of(tokens, window, labels[rows], beside[rows], beside is short)


def layout_of(
    tokens: Sequence[Token],
    window: Window,
    labels: tuple[str, ...],
    beside: tuple[str, ...] = (),
    is_short: bool = False,
) -> Layout:
    """Number the columns if a token is too long for its narrow one: stacked letters read badly."""
    is_long = any(cell_len(visible(token.text)) > 2 for token in tokens[window.first :])
    is_numbered = is_long and window.cell_width < PERCENT
    return Layout(window, labels, beside, is_short, is_numbered)


def draw_rows(
    canvas: Canvas,
    layout: Layout,
    tokens: Sequence[Token],
    rows: Sequence[Sequence[float | None]],
    scale: Scale = WEIGHTS,
) -> Iterator[Text]:
    """The header of keys, then one line per query; ``rows`` are the window's cells."""
    window, margin = layout.window, " " * cell_len(layout.labels[0])
    beside = layout.beside or [""] * len(rows)
    for header in _header(tokens, layout):
        yield Text((margin + header).rstrip())
    for label, row, more in zip(layout.labels, rows, beside, strict=True):
        line = Text(label)
        for value in row:
            draw_cell(canvas, line, value, window.cell_width, scale)
        if more:
            line.append(_GAP + more, style(canvas, SECONDARY))
        yield line


def legend(
    canvas: Canvas, layout: Layout, scale: Scale = WEIGHTS, stage: Stage = DEFAULT_STAGE
) -> Iterator[Text]:
    """The meaning of the cells, which are of that stage, and of the texts beside them."""
    window = layout.window
    yield from scale_lines(canvas, window.cell_width, scale)
    future = f"{MASKED} marks the future, which is masked"
    if stage in UNMASKED:
        future = "the future is not masked yet"
    yield from words(canvas, f"Rows are queries, columns are keys; {future}.")
    if layout.is_numbered:
        yield from words(canvas, "Above a column, read downward: the number of its token's row.")
    if layout.is_short:
        yield from words(
            canvas,
            "Beside a row: the most likely next token with its probability | the actual one.",
        )
    if window.is_cropped:
        shown = window.n_tokens - window.first
        earlier = "the largest score" if stage in SCORES else "the sum"
        yield from words(
            canvas,
            f"Only the last {shown} of {window.n_tokens} tokens fit this window; the column "
            f"{_EARLIER} has {earlier} over all earlier keys. --window A:B shows other tokens, "
            "--json has everything.",
        )


def sentences(canvas: Canvas, tokens: Sequence[Token]) -> Iterator[Text]:
    """The prediction after each of the last tokens, and the token that followed."""
    kind = "score" if tokens[0].predicts is None else "prediction"
    yield from heading(canvas, f"The {kind} of each row")
    first = max(len(tokens) - _LISTED, 0)
    if first:
        yield from words(canvas, f"(the last {_LISTED} of {len(tokens)}; --json has all)")
    for token in tokens[first:]:
        yield from words(canvas, f"after {quoted(token.text)} -> {expectation(token)}")


def expectation(token: Token) -> str:
    """``next ' cat' p=0.31, actual ' dog' p=0.12``, or ``score 1.25`` of a reward model."""
    prediction = token.predicts
    if prediction is None:
        return f"score {token.score:.2f}"
    expected = f"next {quoted(prediction.top.text)} p={prediction.top.p:.2f}"
    actual = prediction.actual
    if actual is None:
        return expected
    return f"{expected}, actual {quoted(actual.text)} p={actual.p:.2f}"


def _short(token: Token) -> str:
    """``'·cat' 0.31 | '·dog' 0.12``: the likeliest token, then the actual one; or a score."""
    prediction = token.predicts
    if prediction is None:
        return f"{token.score:.2f}"
    guesses = [guess for guess in (prediction.top, prediction.actual) if guess is not None]
    return " | ".join(f"{quoted(guess.text)} {guess.p:.2f}" for guess in guesses)


def _labels(tokens: Sequence[Token], width: int) -> tuple[str, ...]:
    names = [clipped(visible(token.text), width) for token in tokens]
    width, digits = max(map(cell_len, names)), len(str(tokens[-1].i))
    return tuple(
        f"{token.i:>{digits}} {set_cell_size(name, width)} "
        for token, name in zip(tokens, names, strict=True)
    )


def _header(tokens: Sequence[Token], layout: Layout) -> Iterator[str]:
    """The keys' tokens above their columns; where they do not fit, the numbers of their rows."""
    window, width = layout.window, layout.window.cell_width
    shown = tokens[window.first :]
    if layout.is_numbered:
        stacks = [list(str(token.i)) for token in shown]
    else:
        stacks = [_stack(token.text, max(width - 1, 1)) for token in shown]
    stacks = [[_EARLIER], *stacks] if window.is_cropped else stacks
    height = max(map(len, stacks))
    for level in range(height, 0, -1):
        parts = (stack[-level] if level <= len(stack) else "" for stack in stacks)
        yield "".join(in_cell(part, width) for part in parts)


def _stack(piece: str, width: int) -> list[str]:
    """A token in lines of ``width`` cells; a character too wide for that becomes a box."""
    parts = [part for part in chop_cells(visible(piece), width) if part]
    fitting = [part if cell_len(part) <= width else "▯" for part in parts] or [" "]
    return fitting if len(fitting) <= _HEADER_LINES else [*fitting[: _HEADER_LINES - 1], _EARLIER]
