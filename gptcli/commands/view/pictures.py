"""Figures that matplotlib draws: how they look on light and dark pages, and as files."""

import re
from collections.abc import Callable, Mapping
from functools import cache
from io import BytesIO, StringIO
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from gptcli.runtime.escapes import visible

if TYPE_CHECKING:  # slow, and needed for figures alone
    from matplotlib.figure import Figure

INK, FAINT, PAPER = "#24292f", "#9aa5b1", "#fefefe"
# Colours of Okabe and Ito, which colour-blind readers can tell apart.
BLUE, ORANGE = "#0072b2", "#d55e00"
_IN_THE_DARK: Mapping[str, str] = MappingProxyType(
    {INK: "#e6edf3", FAINT: "#6e7781", PAPER: "#0d1117", BLUE: "#56b4e9", ORANGE: "#ff8c42"}
)
_DOTS_PER_INCH = 160
_LOOK: Mapping[Any, Any] = MappingProxyType(
    {"svg.hashsalt": "gptcli", "hatch.linewidth": 0.4, "text.color": INK}
)


def svg_text(draw: Callable[[], "Figure"]) -> str:
    """The figure as SVG, whose ink follows the reader's page; the same figure, the same bytes."""
    drawn = StringIO()
    _save(draw, drawn, format="svg", metadata={"Date": None})
    svg = re.sub(r' d="[^"]*"', _shortened, drawn.getvalue())
    return svg.replace(" <defs>", _dark_style(svg) + " <defs>", 1)


def png_bytes(draw: Callable[[], "Figure"]) -> bytes:
    """The figure as PNG on white, at 160 dots per inch."""
    drawn = BytesIO()
    _save(draw, drawn, format="png", facecolor="white", metadata={"Software": None})
    return drawn.getvalue()


def drawable(text: str) -> str:
    """The text on one line, a character that the font has not as ``U+1F600``."""
    return "".join(
        character if _glyphs().get_char_index(ord(character)) else f"U+{ord(character):04X}"
        for character in visible(text)
    )


def drawable_words(text: str) -> str:
    """As :func:`drawable`, with spaces and line ends as they are."""
    lines = (" ".join(map(drawable, line.split(" "))) for line in text.split("\n"))
    return "\n".join(lines)


def _save(draw: Callable[[], "Figure"], drawn: StringIO | BytesIO, **options: Any) -> None:
    """Draw and write with matplotlib's own defaults, whatever the user's matplotlibrc says."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_LOOK)
        draw().savefig(drawn, dpi=_DOTS_PER_INCH, **options)


@cache
def _glyphs() -> Any:
    """The font of all figures, which comes with matplotlib."""
    from matplotlib.font_manager import findfont, get_font

    return get_font(findfont("DejaVu Sans"))


def _shortened(outline: re.Match[str]) -> str:
    """An outline in hundredths of a point, which nobody can tell from millionths."""
    return re.sub(r"(\.\d\d)\d+", r"\1", outline[0])


def _dark_style(svg: str) -> str:
    """A style that exchanges the colours of ``svg`` where the reader's pages are dark."""
    rules = [
        f' [style*="{kind}: {light}"] {{ {kind}: {dark} !important; }}\n'
        for light, dark in _IN_THE_DARK.items()
        for kind in ("fill", "stroke")
        if f"{kind}: {light}" in svg
    ]
    return f"<style>@media (prefers-color-scheme: dark) {{\n{''.join(rules)}}}</style>\n"
