"""The properties of the output that a layout depends on: width and colours."""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from gptcli.commands.view.terminal import escape_controls

_FILE_WIDTH = 100
_USUAL_WIDTH = 80


@dataclass(frozen=True)
class Canvas:
    """The width and colours of a terminal, a pipe or a file.

    ``has_scale`` is whether there are enough colours, 256 or more, for a scale of shades.
    Without colours, results are shown by digits and letters alone.
    """

    width: int = _FILE_WIDTH
    in_colour: bool = False
    has_scale: bool = False
    is_terminal: bool = False

    @classmethod
    def of(cls, out: Path | None) -> "Canvas":
        """The canvas of the file ``out``, or of stdout if it is None."""
        if out is not None:
            return cls()
        width = shutil.get_terminal_size().columns or _USUAL_WIDTH  # COLUMNS may be 0
        in_colour = _wants_colour()
        return cls(width, in_colour, in_colour and _has_many_colours(), sys.stdout.isatty())

    def literal(self, text: str) -> str:
        """The text as it is; on a terminal with control characters spelled out."""
        return escape_controls(text) if self.is_terminal else text


def cell_width(text: str) -> int:
    """The number of terminal cells that the text takes: two for a wide character."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415  slow, and most tables are plain

    return cell_len(text)


def clipped(text: str, width: int) -> str:
    """The text in at most ``width`` cells, with an ellipsis where it was cut."""
    if cell_width(text) <= width:
        return text
    from rich.cells import set_cell_size  # noqa: PLC0415  slow

    return set_cell_size(text, max(width - 1, 0)) + "…"


def _wants_colour() -> bool:
    """True on a terminal or with FORCE_COLOR; NO_COLOR (https://no-color.org) wins over both."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return sys.stdout.isatty() or bool(os.environ.get("FORCE_COLOR"))


def _has_many_colours() -> bool:
    if os.environ.get("COLORTERM", "").strip().lower() in ("truecolor", "24bit"):
        return True
    return sys.platform == "win32" or os.environ.get("TERM", "").endswith("256color")
