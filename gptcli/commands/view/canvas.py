"""The page that attention is drawn on: its width, its colours, and words folded to fit."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rich.cells import cell_len, chop_cells, set_cell_size
from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.text import Text

from gptcli.inspection.palette import ink_on, sequential
from gptcli.runtime.text import visible

_QUOTED_WIDTH = 24
_INDENT = "  "


@dataclass(frozen=True)
class Page:
    """How wide lines may be, and whether there are colours; without them digits speak."""

    width: int
    in_colour: bool

    @classmethod
    def of(cls, console: Console) -> "Page":
        """What a console can show; sixteen colours are too few for a scale."""
        in_colour = not console.no_color and console.color_system in ("256", "truecolor")
        return cls(console.width, in_colour)

    def ink(self, share: float) -> Style:
        """The style of a cell that holds a share from 0 to 1 of the largest value."""
        if not self.in_colour:
            return Style.null()
        background = sequential(share)
        return Style(color=Color.from_rgb(*ink_on(background)), bgcolor=Color.from_rgb(*background))

    def style(self, definition: str) -> Style:
        """A rich style, or none on a page without colours."""
        return Style.parse(definition) if self.in_colour else Style.null()

    def heading(self, text: str) -> Iterator[Text]:
        """An empty line and a title."""
        yield Text()
        yield from self.words(text, "bold")

    def words(self, sentence: str, style: str = "none") -> Iterator[Text]:
        """A sentence in lines that fit, the second and later ones indented."""
        for line in _fold(sentence.split(" "), self.width):
            yield Text(line, self.style(style))


def quoted(piece: str) -> str:
    """A token for a sentence: invisible characters made visible, a long one cut."""
    return f"'{clipped(visible(piece), _QUOTED_WIDTH)}'"


def clipped(text: str, width: int) -> str:
    """The text in at most ``width`` columns, with a mark where some was cut off."""
    return text if cell_len(text) <= width else set_cell_size(text, max(width - 1, 0)) + "…"


def _fold(words: Iterable[str], width: int) -> Iterator[str]:
    line = ""
    for part in (part for word in words for part in _parts(word, width)):
        longer = f"{line} {part}" if line else part
        if line.strip() and cell_len(longer) > width:
            yield line
            longer = _INDENT + part
        line = longer
    yield line


def _parts(word: str, width: int) -> list[str]:
    """A word that no line holds (a long path) is broken anywhere."""
    room = max(width - len(_INDENT), 2)
    return [word] if cell_len(word) <= room else chop_cells(word, room)
