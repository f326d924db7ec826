"""How a number becomes a cell of a heatmap: its colour, and its text where there is room."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import isfinite, sqrt

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text

from gptcli.commands.view.canvas import Canvas
from gptcli.commands.view.drawing import SECONDARY, diverging_shade, shade, style, words

MASKED = "."
PERCENT = 4  # cells of this width or more hold a percentage
_NUMBER = 6  # and of this width a number such as -12.3
_SWATCHES = (0, 0.01, 0.04, 0.16, 0.36, 0.64, 1)
_SIGNED_SWATCHES = (-1, -0.5, 0, 0.5, 1)
_MARKED = 1 / 3  # of the largest: a cell of one character shows more than that as + or -
_TINY = 1e-12


@dataclass(frozen=True)
class Scale:
    """What the numbers of a heatmap are.

    Attributes:
        name: what they are, for the legend.
        largest: the absolute value that has the brightest colour.
        is_share: they are shares of a whole, shown as percentages.
        is_signed: they may be negative: zero is dark, and both ends are bright.

    """

    name: str
    largest: float = 1.0
    is_share: bool = False
    is_signed: bool = False

    @classmethod
    def of(cls, name: str, values: Iterable[float | None], is_share: bool = False) -> "Scale":
        """The scale that reaches to the largest of the values; masked ones do not count."""
        found = [value for value in values if value is not None and isfinite(value)]
        largest = max([abs(value) for value in found] + [_TINY])
        return cls(name, largest, is_share, any(value < 0 for value in found))

    @property
    def width(self) -> int:
        """The least width of a cell in which its number can be read."""
        return PERCENT if self.is_share and not self.is_signed else _NUMBER

    def text(self, value: float) -> str:
        """A value in a sentence: ``12%``, ``+12%``, ``3.41``."""
        sign = "+" if self.is_share and self.is_signed else ""
        return f"{value:{sign}.0%}" if self.is_share else f"{value:.2f}"


WEIGHTS = Scale("of the row's attention", is_share=True)


def draw_cell(canvas: Canvas, line: Text, value: float | None, width: int, scale: Scale) -> None:
    """Append a cell to a line; None is masked, and so is -inf, a score that softmax makes 0."""
    if value is None or not isfinite(value):
        shown = MASKED if value is None or width <= PERCENT else "-inf"
        line.append(in_cell(shown, width), style(canvas, SECONDARY))
        return
    line.append(in_cell(_shown(canvas, value, width, scale), width), _colour(canvas, value, scale))


def scale_lines(canvas: Canvas, width: int, scale: Scale) -> Iterator[Text]:
    """The legend of cells of this width: their colours, or in words what their texts mean."""
    if canvas.has_scale:
        yield _swatches(canvas, scale)
        return
    what = "percent" if scale.is_share else "the"
    if width >= scale.width:
        yield from words(canvas, f"Cells are {what} {scale.name}.")
    elif scale.is_signed:
        third = scale.text(scale.largest * _MARKED).lstrip("+")
        yield from words(
            canvas,
            f"+ is over {third}, - is under -{third}, a blank is between: {what} {scale.name}.",
        )
    elif scale.is_share:
        yield from words(
            canvas, f"Digits are tenths {scale.name}: 3 is 30 to 40%, a blank less than 10%."
        )
    else:
        most = scale.text(scale.largest)
        yield from words(canvas, f"Digits are tenths of {most}, the largest {scale.name}.")


def in_cell(text: str, width: int) -> str:
    """The text right-aligned in a cell, with a space behind it if there is room."""
    margin = min(width - 1, 1)
    return " " * (width - margin - cell_len(text)) + text + " " * margin


def _shown(canvas: Canvas, value: float, width: int, scale: Scale) -> str:
    """The text of a cell, where colours do not say it all or there is room for both."""
    if width >= scale.width:
        return _number(value, width - 1, scale)
    if canvas.has_scale:
        return ""
    share = value / scale.largest
    if scale.is_signed:
        return "" if abs(share) <= _MARKED else "+" if share > 0 else "-"
    return str(min(int(10 * share), 9)) if share >= 0.1 else ""


def _number(value: float, width: int, scale: Scale) -> str:
    """The value with as many decimals, two at most, as there is room for."""
    if scale.is_share:
        return f"{round(100 * value):{'+' if scale.is_signed else ''}}"
    forms = (f"{value:z.{decimals}f}" for decimals in (2, 1, 0))
    return next((text for text in forms if len(text) <= width), f"{value:.0e}"[:width])


def _colour(canvas: Canvas, value: float, scale: Scale) -> Style:
    share = value / scale.largest
    return diverging_shade(canvas, share) if scale.is_signed else shade(canvas, sqrt(share))


def _swatches(canvas: Canvas, scale: Scale) -> Text:
    shares = _SIGNED_SWATCHES if scale.is_signed else _SWATCHES
    line = Text()
    for share in shares:
        value = share * scale.largest
        line.append(f" {scale.text(value)} ", _colour(canvas, value, scale))
    line.append(f" {scale.name}")
    return line
