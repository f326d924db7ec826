"""The layout of tables for a terminal, a pipe or a file of a given width.

It does not use rich, whose import takes as long as counting parameters.
"""

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import replace

from gptcli.commands.view.bars import bar
from gptcli.commands.view.canvas import cell_width, clipped
from gptcli.commands.view.tables import Share, Table, cell_text, is_number, one_line
from gptcli.commands.view.terminal import escape_controls

_GAP = 2
_BAR_WIDTH = 10
_NARROWEST_PROSE = 20
_INDENT = "  "
_BELOW = "    "  # before a text that has no room beside its row
_BOLD, _DIM, _CYAN, _RESET = "\x1b[1m", "\x1b[38;5;243m", "\x1b[36m", "\x1b[0m"


def to_text(tables: Iterable[Table], width: int, colour: bool) -> str:
    """Aligned columns in ``width`` cells; if they do not fit, spare columns go, text wraps.

    Numbers are never cut.
    """
    return "\n".join(
        _aligned(part, width, colour) for table in tables for part in _folded(table, width)
    )


def _aligned(table: Table, width: int, colour: bool) -> str:
    indent = _INDENT if table.title and not table.has_header else ""
    width -= len(indent)
    shown, has_bar = _fitting(table, width)
    header = _header(table, shown)
    rows = [[cell_text(row[column]) for column in shown] for row in table.rows]
    numbers = [is_number(table, column) for column in shown]
    sizes = [max(map(cell_width, cells)) for cells in zip(*header, *rows, strict=True)]
    narrowest = 1 if table.clips else _NARROWEST_PROSE
    room = width - sum(sizes[:-1]) - _GAP * (len(sizes) - 1)
    if room >= min(narrowest, sizes[-1]) or numbers[-1] or len(shown) == 1:
        below = 0
        room = max(room, narrowest)
    else:  # the texts of the last column get lines of their own
        below = width - len(_BELOW)
    titles = [_styled(line, _BOLD, colour) for line in _wrapped(one_line(table.title), width)]
    heads = [line for cells in header for line in _lines(cells, sizes, numbers, room, below)]
    body = [_styled(line, _DIM, colour) for line in heads]
    for row, cells in zip(table.rows, rows, strict=True):
        share = next((cell for cell in row if isinstance(cell, Share)), None) if has_bar else None
        last = clipped(cells[-1], room) if table.clips else cells[-1]
        first, *more = _lines([*cells[:-1], last], sizes, numbers, room, below)
        drawn = bar(share.value, _BAR_WIDTH) if share else ""
        body += [f"{first}{' ' * _GAP}{_styled(drawn, _CYAN, colour)}" if drawn else first, *more]
    notes = [line for note in table.notes for line in _wrapped(note, width)]
    return "\n".join([*titles, *(indent + line for line in body), *notes]) + "\n"


def _header(table: Table, shown: list[int]) -> list[list[str]]:
    """The lines of the column names, each with a cell for every column that is shown."""
    if not table.has_header:
        return []
    names = [one_line(table.columns[column]) for column in shown]
    if not table.stacks:
        return [names]
    return [[name.rpartition(" ")[0] for name in names], [name.split(" ")[-1] for name in names]]


def _wrapped(text: str, width: int) -> list[str]:
    """The text in lines of at most ``width``; a word longer than that is not divided."""
    width, text = max(width, _NARROWEST_PROSE), escape_controls(text).rstrip()
    if len(text) <= width and text.isprintable():  # textwrap would be much slower
        return [text] if text else []
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)


def _folded(table: Table, width: int) -> Iterator[Table]:
    """The table; if it folds and is too wide, several tables with some of its columns.

    Its notes stand below the last of them.
    """
    left = list(range(1, len(table.columns))) if table.folds else []
    if not left:
        yield table
    while left:
        taken = next(
            (n for n in range(len(left), 1, -1) if _width(table, [0, *left[:n]]) <= width), 1
        )
        shown, left = [0, *left[:taken]], left[taken:]
        yield replace(
            table,
            columns=tuple(table.columns[column] for column in shown),
            rows=tuple(tuple(row[column] for column in shown) for row in table.rows),
            notes=() if left else table.notes,
        )


def _lines(
    cells: list[str], sizes: list[int], numbers: list[bool], room: int, below: int
) -> list[str]:
    """The lines of one row; its last cell is wrapped to ``room`` if it is text.

    If ``below`` is not 0, that cell stands below the others, in this width.
    """
    *before, last = [
        _padded(cell, size, aligns_right)
        for cell, size, aligns_right in zip(cells, sizes, numbers, strict=True)
    ]
    start = "".join(cell + " " * _GAP for cell in before)
    if below:
        return [start.rstrip(), *(_BELOW + line for line in _wrapped(cells[-1], below))]
    wrapped = [last] if numbers[-1] else _wrapped(last, room) or [""]
    indent = " " * cell_width(start)
    return [
        (prefix + line).rstrip()
        for prefix, line in zip([start, *[indent] * (len(wrapped) - 1)], wrapped, strict=True)
    ]


def _padded(cell: str, size: int, aligns_right: bool) -> str:
    padding = " " * (size - cell_width(cell))
    return padding + cell if aligns_right else cell + padding


def _styled(text: str, style: str, colour: bool) -> str:
    return f"{style}{text}{_RESET}" if colour and text else text


def _fitting(table: Table, width: int) -> tuple[list[int], bool]:
    """The columns to show, without spare ones that do not fit; and whether the bar fits.

    The first column, which names the rows, stays. Others may have one name, as two models may.
    """
    shown = list(range(len(table.columns)))
    has_bar = any(isinstance(cell, Share) for row in table.rows for cell in row)
    if has_bar and _width(table, shown) + _GAP + _BAR_WIDTH > width:
        has_bar = False
    for name in table.spare:
        if _width(table, shown) > width:
            shown.remove(next(one for one in shown[1:] if table.columns[one] == name))
    return shown, has_bar


def _width(table: Table, shown: list[int]) -> int:
    header = _header(table, shown)
    widths = [
        max(
            [
                *(cell_width(line[place]) for line in header),
                *(cell_width(cell_text(row[column])) for row in table.rows),
            ],
            default=0,
        )
        for place, column in enumerate(shown)
    ]
    return sum(widths) + _GAP * (len(widths) - 1)
