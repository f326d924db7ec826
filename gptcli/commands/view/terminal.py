"""What a command says beside its result: notes, warnings and errors, all on stderr."""

import contextlib
import os
import sys
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_CONTROLS = {
    code: f"\\x{code:02x}" for code in [*range(32), *range(127, 160)] if code not in (9, 10)
}


@dataclass(frozen=True)
class Verbosity:
    """What the user wants to hear on stderr."""

    quiet: bool = False
    verbose: bool = False
    debug: bool = False


_verbosity: ContextVar[Verbosity] = ContextVar("verbosity", default=Verbosity())  # noqa: B039


def set_verbosity(verbosity: Verbosity) -> None:
    """Apply ``--quiet``, ``--verbose`` and ``--debug`` of the command line."""
    _verbosity.set(verbosity)


def verbosity() -> Verbosity:
    """What is in force."""
    return _verbosity.get()


def note(message: str) -> None:
    """Say on stderr what was chosen or done; silent with ``--quiet``."""
    if not verbosity().quiet:
        _say(message)


def detail(message: str) -> None:
    """Say on stderr what only ``--verbose`` wants to hear."""
    if verbosity().verbose:
        note(message)


def complain(message: str) -> None:
    """Print the one line of an error, also with ``--quiet``."""
    _say("error: " + " ".join(message.splitlines()))


def warn(message: str) -> None:
    """Say on stderr what the user must know, also with ``--quiet``."""
    _say("warning: " + " ".join(message.splitlines()))


def _say(message: str) -> None:
    # Long work goes on when nobody listens any more.
    with contextlib.suppress(OSError):
        print(escape_controls(message), file=sys.stderr, flush=True)  # noqa: T201


def escape_controls(text: str) -> str:
    """The text with control characters (ESC above all) spelled out, newline and tab kept."""
    return text.translate(_CONTROLS)


def progress_console() -> "Console":
    """A rich console on stderr for progress; silent with ``--quiet``."""
    from rich.console import Console

    return Console(stderr=True, markup=False, highlight=False, emoji=False, quiet=verbosity().quiet)


def is_interactive() -> bool:
    """Whether stderr is a terminal that can show a moving bar."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
