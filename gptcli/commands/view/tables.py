"""Tables of results, and how they are written as Markdown and as CSV."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gptcli.commands.view.numbers import rounded
from gptcli.commands.view.terminal import escape_controls


@dataclass(frozen=True)
class Share:
    """A part of a whole, from 0 to 1; a terminal shows it with a bar."""

    value: float


@dataclass(frozen=True)
class Amount:
    """A number that is rounded for people and exact for programs; ``unit`` B means bytes."""

    value: int
    unit: str = ""


@dataclass(frozen=True)
class Change:
    """A difference, shown with its sign."""

    value: int


@dataclass(frozen=True)
class Figure:
    """A number for programs, and its text for people; None leaves the cell empty."""

    value: float | int | None
    text: str

    @classmethod
    def of(cls, value: float | None, form: str) -> "Figure":
        """A number in a format such as ``.4f`` or ``+,``."""
        return cls(value, "" if value is None else format(value, form))


Cell = str | int | Share | Amount | Change | Figure | tuple[int, ...]


@dataclass(frozen=True)
class Table:
    """A titled table.

    Attributes:
        spare: columns that are left out, the first named first, where the width is too small.
        folds: where the width is too small, divide the columns over several tables, each of
            which repeats the first column.
        clips: cut the last column at the end of the line, instead of wrapping it.
        has_header: whether column names are shown; without them all cells are left-aligned.
        notes: sentences below the table on how to read it; csv has none.
        stacks: show column names of several words on two lines.

    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    spare: tuple[str, ...] = ()
    folds: bool = False
    clips: bool = False
    has_header: bool = True
    notes: tuple[str, ...] = ()
    stacks: bool = False


def facts(title: str, rows: Iterable[tuple[str, Cell]]) -> Table:
    """A table of names and values, one pair per line."""
    return Table(title, ("name", "value"), tuple(rows), has_header=False)


def records(rows: Sequence[Mapping[str, float | str | None]]) -> Table:
    """A table for ``csv`` of a document's list of objects, which all have the same keys."""

    def cell(value: float | str | None) -> Cell:
        if isinstance(value, str):
            return value
        return Figure.of(value, "")

    return Table("", tuple(rows[0]), tuple(tuple(map(cell, row.values())) for row in rows))


def to_csv(table: Table) -> str:
    """CSV: exact values, column names without spaces, control characters escaped."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(escape_controls(name).replace(" ", "_") for name in table.columns)
    writer.writerows([_raw(cell) for cell in row] for row in table.rows)
    return buffer.getvalue()


def to_markdown(tables: Iterable[Table]) -> str:
    """Markdown tables under their titles, with the texts that a terminal shows."""
    return "\n".join(_markdown(table) for table in tables)


def _raw(cell: Cell) -> str | int | float:
    if isinstance(cell, Share):
        return round(cell.value, 6)
    if isinstance(cell, Amount | Change):
        return cell.value
    if isinstance(cell, Figure):
        return "" if cell.value is None else cell.value
    if isinstance(cell, str):
        return escape_controls(cell)
    return "x".join(map(str, cell)) if isinstance(cell, tuple) else cell


def cell_text(cell: Cell) -> str:
    """The cell as people read it."""
    if isinstance(cell, Share):
        return f"{cell.value:.1%}"
    if isinstance(cell, Amount):
        return rounded(cell.value, cell.unit)
    if isinstance(cell, Change):
        return f"{cell.value:+,}" if cell.value else "0"
    if isinstance(cell, tuple):
        return " x ".join(f"{size:,}" for size in cell)
    if isinstance(cell, Figure):
        return cell.text
    return f"{cell:,}" if isinstance(cell, int) else one_line(cell)


def one_line(text: str) -> str:
    """The text with everything spelled out that is no character of a line, as in a path."""
    return escape_controls(text).replace("\n", "\\n").replace("\t", "\\t")


def is_number(table: Table, column: int) -> bool:
    """Whether a column holds numbers, which stand to the right."""
    return table.has_header and any(not isinstance(row[column], str) for row in table.rows)


def _markdown(table: Table) -> str:
    numbers = [is_number(table, column) for column in range(len(table.columns))]
    rules = ["---:" if to_the_right else "---" for to_the_right in numbers]
    header, *rows = [
        [cell_text(cell).replace("|", "\\|") for cell in row]
        for row in (table.columns, *table.rows)
    ]
    lines = ["| " + " | ".join(cells) + " |" for cells in (header, rules, *rows)]
    title = f"**{one_line(table.title)}**\n\n" if table.title else ""
    notes = "".join(f"\n{escape_controls(note)}\n" for note in table.notes)
    return title + "\n".join(lines) + "\n" + notes
