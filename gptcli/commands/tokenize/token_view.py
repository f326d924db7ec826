"""Tokens for a terminal: coloured pieces with their ids below."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from gptcli.commands.view.canvas import clipped
from gptcli.commands.view.drawing import SECONDARY
from gptcli.tokenization.vocabulary import VocabularyEntry

# Colours only, no bold or dim: without colours it is plain text.
COLOURS = ("black on cyan", "black on green", "black on yellow", "black on magenta")


@dataclass(frozen=True)
class _Cell:
    label: str
    number: str
    colour: str
    ends_line: bool

    @property
    def width(self) -> int:
        return max(cell_len(self.label), len(self.number))


def token_view(entries: Sequence[VocabularyEntry], width: int) -> Text:
    """Each piece over its id, in lines of at most ``width`` cells, broken after newlines too."""
    cells = [
        _Cell(
            clipped(entry.label, width),
            str(entry.number),
            COLOURS[index % len(COLOURS)],
            entry.content.endswith(b"\n"),
        )
        for index, entry in enumerate(entries)
    ]
    view = Text()
    for start, end in _rows(cells, width):
        if start:
            view.append("\n")
        _append_row(view, cells[start:end])
    return view


def _rows(cells: Sequence[_Cell], width: int) -> Iterator[tuple[int, int]]:
    start = used = 0
    for index, cell in enumerate(cells):
        begins_line = index > start and cells[index - 1].ends_line
        if index > start and (begins_line or used + cell.width > width):
            yield start, index
            start, used = index, 0
        used += cell.width + 1
    if cells:
        yield start, len(cells)


def _append_row(view: Text, cells: Sequence[_Cell]) -> None:
    last = len(cells) - 1
    for index, cell in enumerate(cells):
        view.append(cell.label, style=cell.colour)
        view.append("\n" if index == last else " " * (cell.width - cell_len(cell.label) + 1))
    for index, cell in enumerate(cells):
        padding = "\n" if index == last else " " * (cell.width - len(cell.number) + 1)
        view.append(cell.number + padding, style=SECONDARY)
