"""Tokens for people: coloured pieces with their ids beneath."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from gptcli.runtime.text import visible

# Colours only, no bold or dim: NO_COLOR then leaves plain text.
_COLOURS = ("black on cyan", "black on green", "black on yellow", "black on magenta")
_ID_COLOUR = "bright_black"


@dataclass(frozen=True)
class _Cell:
    label: str
    number: str
    colour: str

    @property
    def width(self) -> int:
        return max(cell_len(self.label), len(self.number))


def token_view(pieces: Sequence[str], ids: Sequence[int], width: int) -> Text:
    """Each piece over its id, in lines of at most ``width`` cells, broken after newlines too."""
    cells = [
        _Cell(visible(piece), str(number), _COLOURS[index % len(_COLOURS)])
        for index, (piece, number) in enumerate(zip(pieces, ids, strict=True))
    ]
    view = Text()
    for start, end in _rows(cells, pieces, width):
        if start:
            view.append("\n")
        _append_row(view, cells[start:end])
    return view


def _rows(cells: Sequence[_Cell], pieces: Sequence[str], width: int) -> Iterator[tuple[int, int]]:
    start = used = 0
    for index, cell in enumerate(cells):
        begins_line = index > start and pieces[index - 1].endswith("\n")
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
        view.append(cell.number + padding, style=_ID_COLOUR)
