"""Coloured lines for a canvas: shades for quantities, and text wrapped to its width."""

from collections.abc import Iterable, Iterator
from io import StringIO

from rich.cells import cell_len, chop_cells
from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.text import Text

from gptcli.commands.view.canvas import Canvas, clipped
from gptcli.commands.view.palette import Colour, diverging, ink_on, sequential
from gptcli.runtime.escapes import visible

SECONDARY = "color(243)"
"""The style of secondary text: a grey with a contrast of 4.5:1 on white and on black."""

_QUOTED_WIDTH = 24
_INDENT = "  "


def shade(canvas: Canvas, share: float) -> Style:
    """The style of a cell that holds a share from 0 to 1 of the largest value."""
    return _filled(canvas, sequential(share))


def diverging_shade(canvas: Canvas, share: float) -> Style:
    """The style of a cell that holds a share from -1 to 1 of the largest absolute value."""
    return _filled(canvas, diverging(share))


def style(canvas: Canvas, definition: str) -> Style:
    """The style of that definition; a plain one where there are no colours."""
    return Style.parse(definition) if canvas.in_colour else Style.null()


def heading(canvas: Canvas, text: str) -> Iterator[Text]:
    """An empty line and a title."""
    yield Text()
    yield from words(canvas, text, "bold")


def words(canvas: Canvas, sentence: str, definition: str = "none") -> Iterator[Text]:
    """A sentence in lines that fit, the second and later ones indented."""
    for line in _folded(sentence.split(" "), canvas.width):
        yield Text(line, style(canvas, definition))


def quoted(piece: str) -> str:
    """A token in quotes: invisible characters made visible, a long one cut."""
    return f"'{clipped(visible(piece), _QUOTED_WIDTH)}'"


def printed(text: Text, canvas: Canvas) -> str:
    """The text as a string, with colour codes if the canvas has colours."""
    if not canvas.in_colour:
        return "\n".join(line.rstrip() for line in text.plain.split("\n"))
    console = Console(
        file=StringIO(), force_terminal=True, markup=False, highlight=False, emoji=False
    )
    with console.capture() as captured:
        console.print(text, soft_wrap=True, end="")
    return captured.get()


def _filled(canvas: Canvas, background: Colour) -> Style:
    if not canvas.has_scale:
        return Style.null()
    return Style(color=Color.from_rgb(*ink_on(background)), bgcolor=Color.from_rgb(*background))


def _folded(parts: Iterable[str], width: int) -> Iterator[str]:
    line = ""
    for part in (part for word in parts for part in _pieces(word, width)):
        longer = f"{line} {part}" if line else part
        if line.strip() and cell_len(longer) > width:
            yield line
            longer = _INDENT + part
        line = longer
    yield line


def _pieces(word: str, width: int) -> list[str]:
    """The word, in pieces if it is longer than a line, as a long path may be."""
    room = max(width - len(_INDENT), 2)
    return [word] if cell_len(word) <= room else chop_cells(word, room)
