"""Text on stdout while it is written."""

import sys
from collections.abc import Iterable

from gptcli.commands.view.terminal import escape_controls


def show(pieces: Iterable[str]) -> None:
    """Write pieces as they come and end the line, also where a Ctrl-C stops them."""
    try:
        for piece in pieces:
            sys.stdout.write(for_stdout(piece))
            sys.stdout.flush()
    except KeyboardInterrupt:
        end_line()
        raise
    end_line()


def end_line() -> None:
    """Begin a new line."""
    sys.stdout.write("\n")
    sys.stdout.flush()


def for_stdout(text: str) -> str:
    """The text as it is, but on a terminal without what would steer that."""
    return escape_controls(text) if sys.stdout.isatty() else text
