"""The help of a command on a narrow terminal: a flag on its own line, its text indented below.

typer's framed columns would cut the flags there.
"""

import shutil
from collections.abc import Sequence

from typer._click.core import Context
from typer._click.formatting import HelpFormatter
from typer.core import TyperCommand

_NARROW = 72  # columns; from here on the frames have room for flags and texts
_INDENT = 4


def narrow_width() -> int | None:
    """The width of the terminal, if it is narrow."""
    width = shutil.get_terminal_size().columns
    return width if 0 < width < _NARROW else None


class _Formatter(HelpFormatter):
    def write_dl(
        self, rows: Sequence[tuple[str, str]], col_max: int = _INDENT, col_spacing: int = 2
    ) -> None:
        """Write names and texts, each text below its name."""
        super().write_dl(rows, col_max, col_spacing)


class _Context(Context):
    formatter_class = _Formatter


class NarrowCommand(TyperCommand):
    """A command whose help fits a narrow terminal."""

    context_class = _Context
