"""Small tables of results: aligned in a terminal, as Markdown, or as CSV."""

import csv
import io
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

_GAP = 2
_BAR_WIDTH = 10
_NARROWEST_PROSE = 20
_BOLD, _DIM, _CYAN, _RESET = "\x1b[1m", "\x1b[2m", "\x1b[36m", "\x1b[0m"
_EIGHTHS = " ▏▎▍▌▋▊▉"
_SCALES = (
    (10**21, "Z"), (10**18, "E"), (10**15, "P"), (10**12, "T"),
    (10**9, "B"), (10**6, "M"), (10**3, "k"),
)  # fmt: skip


@dataclass(frozen=True)
class Share:
    """A part of a whole, from 0 to 1; a terminal shows it with a bar."""

    value: float


@dataclass(frozen=True)
class Amount:
    """A number that people read rounded and programs read exactly; ``unit`` B means bytes."""

    value: int
    unit: str = ""


@dataclass(frozen=True)
class Change:
    """A difference, shown with its sign."""

    value: int


Cell = str | int | Share | Amount | Change | tuple[int, ...]


@dataclass(frozen=True)
class Sheet:
    """A titled table. ``spare`` columns give way, first named first, where room is scarce.

    One that ``folds`` loses none: its columns stand in several tables, each with the first.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    spare: tuple[str, ...] = ()
    folds: bool = False


def rounded(value: int, unit: str = "") -> str:
    """Four digits and a decimal scale: 124.4M, 175.2B, but 9.664 GB and 734.8 TFLOP."""
    scales = [(scale, name.replace("B", "G") if unit else name) for scale, name in _SCALES]
    for scale, name in scales:
        if abs(value) >= scale:
            digits = f"{value / scale:#.4g}".rstrip(".")
            return f"{digits}{' ' if unit else ''}{name}{unit}"
    return f"{value} {unit}".rstrip()


def to_csv(sheet: Sheet) -> str:
    """The exact values, one line a row, column names without spaces."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(name.replace("/", "_per_").replace(" ", "_") for name in sheet.columns)
    writer.writerows([_raw(cell) for cell in row] for row in sheet.rows)
    return buffer.getvalue()


def to_markdown(sheets: Iterable[Sheet]) -> str:
    """Pipe tables under their titles, numbers to the right, as in the terminal."""
    return "\n".join(_markdown(sheet) for sheet in sheets)


def to_text(sheets: Iterable[Sheet], width: int, colour: bool) -> str:
    """Aligned columns for ``width`` characters: what is spare goes first, then prose is wrapped.

    Numbers are never cut, however narrow it is. Laid out here because importing rich's tables
    takes as long as all the counting.
    """
    return "\n".join(
        _aligned(part, width, colour) for sheet in sheets for part in _folded(sheet, width)
    )


def _raw(cell: Cell) -> str | int | float:
    if isinstance(cell, Share):
        return round(cell.value, 6)
    if isinstance(cell, Amount | Change):
        return cell.value
    return "x".join(map(str, cell)) if isinstance(cell, tuple) else cell


def _text(cell: Cell) -> str:
    if isinstance(cell, Share):
        return f"{cell.value:.1%}"
    if isinstance(cell, Amount):
        return rounded(cell.value, cell.unit)
    if isinstance(cell, Change):
        return f"{cell.value:+,}" if cell.value else "0"
    if isinstance(cell, tuple):
        return " x ".join(f"{size:,}" for size in cell)
    return f"{cell:,}" if isinstance(cell, int) else cell


def _is_number(sheet: Sheet, column: int) -> bool:
    return any(not isinstance(row[column], str) for row in sheet.rows)


def _markdown(sheet: Sheet) -> str:
    numbers = [_is_number(sheet, column) for column in range(len(sheet.columns))]
    rules = ["---:" if is_number else "---" for is_number in numbers]
    rows = [[_text(cell).replace("|", "\\|") for cell in row] for row in sheet.rows]
    lines = ["| " + " | ".join(cells) + " |" for cells in (list(sheet.columns), rules, *rows)]
    return f"**{sheet.title}**\n\n" + "\n".join(lines) + "\n"


def _aligned(sheet: Sheet, width: int, colour: bool) -> str:
    shown, has_bar = _fitting(sheet, width)
    header = [sheet.columns[column] for column in shown]
    rows = [[_text(row[column]) for column in shown] for row in sheet.rows]
    numbers = [_is_number(sheet, column) for column in shown]
    sizes = [max(map(len, cells)) for cells in zip(header, *rows, strict=True)]
    room = max(width - sum(sizes[:-1]) - _GAP * (len(sizes) - 1), _NARROWEST_PROSE)
    titles = textwrap.wrap(sheet.title, max(width, _NARROWEST_PROSE))
    lines = [_styled(line, _BOLD, colour) for line in titles]
    lines += [_styled(line, _DIM, colour) for line in _lines(header, sizes, numbers, room)]
    for row, cells in zip(sheet.rows, rows, strict=True):
        bar = next((_bar(cell) for cell in row if isinstance(cell, Share)), "") if has_bar else ""
        first, *more = _lines(cells, sizes, numbers, room)
        lines += [f"{first}{' ' * _GAP}{_styled(bar, _CYAN, colour)}" if bar else first, *more]
    return "\n".join(lines) + "\n"


def _folded(sheet: Sheet, width: int) -> Iterator[Sheet]:
    """The sheet, or where it folds and is too wide, as many tables as it takes."""
    left = list(range(1, len(sheet.columns))) if sheet.folds else []
    if not left:
        yield sheet
    while left:
        taken = next(
            (n for n in range(len(left), 1, -1) if _width(sheet, [0, *left[:n]]) <= width), 1
        )
        shown, left = [0, *left[:taken]], left[taken:]
        yield replace(
            sheet,
            columns=tuple(sheet.columns[column] for column in shown),
            rows=tuple(tuple(row[column] for column in shown) for row in sheet.rows),
        )


def _lines(cells: list[str], sizes: list[int], numbers: list[bool], room: int) -> list[str]:
    """One row, its last cell wrapped to ``room`` where it is prose."""
    *before, last = [
        cell.rjust(size) if is_number else cell.ljust(size)
        for cell, size, is_number in zip(cells, sizes, numbers, strict=True)
    ]
    start = "".join(cell + " " * _GAP for cell in before)
    wrapped = [last] if numbers[-1] else textwrap.wrap(last, room) or [""]
    indent = " " * len(start)
    return [
        (prefix + line).rstrip()
        for prefix, line in zip([start, *[indent] * (len(wrapped) - 1)], wrapped, strict=True)
    ]


def _styled(text: str, style: str, colour: bool) -> str:
    return f"{style}{text}{_RESET}" if colour and text else text


def _fitting(sheet: Sheet, width: int) -> tuple[list[int], bool]:
    """Which columns fit, and whether the bar does; what cannot give way is folded."""
    shown = list(range(len(sheet.columns)))
    has_bar = any(isinstance(cell, Share) for row in sheet.rows for cell in row)
    if has_bar and _width(sheet, shown) + _GAP + _BAR_WIDTH > width:
        has_bar = False
    for name in sheet.spare:
        if _width(sheet, shown) > width:
            shown.remove(sheet.columns.index(name))
    return shown, has_bar


def _width(sheet: Sheet, shown: list[int]) -> int:
    widths = [
        max(len(sheet.columns[column]), *(len(_text(row[column])) for row in sheet.rows))
        for column in shown
    ]
    return sum(widths) + _GAP * (len(widths) - 1)


def _bar(share: Share) -> str:
    """Filled in eighths of a character."""
    full, rest = divmod(round(share.value * _BAR_WIDTH * 8), 8)
    return "█" * full + (_EIGHTHS[rest] if rest else "")
