"""Where a command's words go: results to stdout, everything else to stderr."""

import contextlib
import os
import sys
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gptcli.errors import UsageError
from gptcli.runtime.outputs import output_path

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


def results() -> "Console":
    """A rich console on stdout that prints text as it is: no markup, no highlighting."""
    from rich.console import Console

    console = Console(markup=False, highlight=False, emoji=False, soft_wrap=not sys.stdout.isatty())
    if not console.width:  # COLUMNS=0 would hide everything
        console.width = 80
    return console


def progress_console() -> "Console":
    """A rich console on stderr for progress; silent with ``--quiet``."""
    from rich.console import Console

    return Console(stderr=True, markup=False, highlight=False, emoji=False, quiet=verbosity().quiet)


def is_interactive() -> bool:
    """Whether stderr is a terminal that can show a moving bar."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def check_out(out: Path | None, overwrite: bool) -> None:
    """Refuse an ``--out`` that is taken before any work is done for it."""
    if out is None:
        return
    if str(out) == "-":
        raise UsageError("--out - is no file: without --out the result goes to stdout")
    if out.name in ("", "..") or out.is_dir() or (out.exists() and not out.is_file()):
        raise UsageError(f"--out {out} is no regular file: name a new file")
    output_path(out, out.parent, out.name, overwrite)


def deliver(text: str, out: Path | None, overwrite: bool = False) -> None:
    """Write a result to stdout, or to ``--out`` atomically, ending in a newline."""
    text = text if text.endswith("\n") else text + "\n"
    if out is None:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    from gptcli.runtime.files import reported, write_text

    check_out(out, overwrite)
    with reported(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    write_text(out, text)
    note(f"wrote {out}")
