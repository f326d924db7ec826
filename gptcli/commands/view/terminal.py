"""Messages on stderr, and the lines that a user types."""

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gptcli.runtime.escapes import UNSAFE, escaped

if TYPE_CHECKING:
    from rich.console import Console

_CONTROLS = {code: escaped(chr(code)) for code in (*range(32), *UNSAFE) if code not in (9, 10)}

_LONGEST = 4000  # characters of a message

_RED, _YELLOW, _RESET = "\x1b[1;31m", "\x1b[1;38;5;130m", "\x1b[0m"


@dataclass(frozen=True)
class Verbosity:
    """Which messages the user wants to see on stderr."""

    quiet: bool = False
    verbose: bool = False
    debug: bool = False


_verbosity: ContextVar[Verbosity] = ContextVar("verbosity", default=Verbosity())  # noqa: B039


def set_verbosity(verbosity: Verbosity) -> None:
    """Apply ``--quiet``, ``--verbose`` and ``--debug`` of the command line."""
    _verbosity.set(verbosity)


def verbosity() -> Verbosity:
    """The verbosity of this process."""
    return _verbosity.get()


def note(message: str) -> None:
    """Tell the user what was chosen or done; silent with ``--quiet``."""
    if not verbosity().quiet:
        _say(message)


def detail(message: str) -> None:
    """Tell the user more, with ``--verbose`` alone."""
    if verbosity().verbose:
        note(message)


def complain(message: str) -> None:
    """Print the one line of an error, also with ``--quiet``."""
    _say(" ".join(message.splitlines()), "error: ", _RED)


def warn(message: str) -> None:
    """Tell the user what must be known, also with ``--quiet``."""
    _say(" ".join(message.splitlines()), "warning: ", _YELLOW)


def conclude(message: str) -> None:
    """Tell the user how the command ended, as it was asked to, also with ``--quiet``."""
    _say(" ".join(message.splitlines()))


def note_at_once(message: str) -> None:
    """A note from the handler of a signal, which may have come while Python was printing."""
    if verbosity().quiet:
        return
    begin = "\r" if is_interactive() else ""  # over the ^C that the terminal shows
    with contextlib.suppress(OSError):
        os.write(2, f"{begin}{message}\n".encode())


def _say(message: str, kind: str = "", colour: str = "") -> None:
    """Print a line that begins with its ``kind``, in a colour on a terminal that has colours."""
    begin = f"{colour}{kind}{_RESET}" if kind and _has_colours() else kind
    if len(message) > _LONGEST:  # a value of a hostile file
        message = f"{message[:_LONGEST]} ... ({len(message) - _LONGEST:,} more characters)"
    # Long work goes on when stderr has been closed.
    with contextlib.suppress(OSError):
        print(begin + escape_controls(message), file=sys.stderr, flush=True)  # noqa: T201


def _has_colours() -> bool:
    return is_interactive() and not os.environ.get("NO_COLOR")


def escape_controls(text: str) -> str:
    """The text with control characters, such as ESC, and marks that reverse text spelled out.

    Newline and tab stay.
    """
    return text.translate(_CONTROLS)


def progress_console() -> "Console":
    """A rich console on stderr for progress; silent with ``--quiet``."""
    from rich.console import Console  # noqa: PLC0415  slow

    return Console(stderr=True, markup=False, highlight=False, emoji=False, quiet=verbosity().quiet)


def is_interactive() -> bool:
    """Whether stderr is a terminal that can show a moving bar."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def stdin_is_terminal() -> bool:
    """Whether stdin is a terminal, not a pipe or a file."""
    return sys.stdin.isatty()


def typed_lines(prompt: str) -> Iterator[str]:
    """The lines of stdin until it ends; in a terminal with editing and a history.

    Ctrl-C starts the line again.
    """
    with contextlib.suppress(ImportError):  # Windows: its console edits lines itself
        import readline  # noqa: F401, PLC0415  importing it changes input(), and Windows has none
    if isinstance(sys.stdin, io.TextIOWrapper):  # so that bytes that are not UTF-8 raise no error
        sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape")
    while (line := _typed_line(prompt)) is not None:
        yield line


def _typed_line(prompt: str) -> str | None:
    """The next line; None at the end of the input."""
    while True:
        try:
            return _read_line(prompt)
        except KeyboardInterrupt:
            with contextlib.suppress(KeyboardInterrupt):
                _end_line()


def _read_line(prompt: str) -> str | None:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        line = sys.stdin.readline()
        return line.removesuffix("\n").removesuffix("\r") if line else None
    try:
        return input(prompt)
    except EOFError:
        _end_line()
        return None


def _end_line() -> None:
    sys.stdout.write("\n")
    sys.stdout.flush()
