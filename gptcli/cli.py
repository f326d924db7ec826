"""The command line: registers the commands, turns every failure into one line and a code."""

import errno
import os
import sys
import traceback
from collections.abc import Iterable
from importlib import import_module
from typing import Annotated

import typer
from typer.core import TyperCommand

from gptcli import __version__
from gptcli.commands.command_line import as_command
from gptcli.commands.slips import check_command, explained
from gptcli.commands.view.narrow_help import NarrowCommand, narrow_width
from gptcli.commands.view.terminal import complain, conclude, verbosity
from gptcli.errors import (
    GptcliError,
    MemoryExhaustedError,
    ResourceError,
    TrainingStopped,
    UsageError,
    reason_of,
)

_CLOSED_PIPE = 141
_INTERRUPTED = 130
_OWN_BUG = 1
# How the loader of shared libraries says that there is no memory.
_NO_MEMORY = ("failed to map segment", "Cannot allocate memory", "cannot allocate memory")
_ABOUT_A_NAME = (errno.ENAMETOOLONG, errno.ENOENT, errno.ENOTDIR, errno.EISDIR)

# Name -> module and function, imported only when the command is called, for a fast start.
_COMMANDS = {
    "tokenize": ("gptcli.commands.tokenize.command", "tokenize"),
    "prepare": ("gptcli.commands.prepare.command", "prepare"),
    "train": ("gptcli.commands.train.command", "train"),
    "eval": ("gptcli.commands.eval.command", "evaluate"),
    "sample": ("gptcli.commands.sample.command", "sample"),
    "inspect-attention": ("gptcli.commands.inspect_attention.command", "inspect_attention"),
    "count-params": ("gptcli.commands.count_params.command", "count_params"),
}


def build_app(names: Iterable[str] = _COMMANDS) -> typer.Typer:
    """The command line with these commands; without an argument, with all."""
    width = narrow_width()
    app = typer.Typer(
        name="gptcli",
        help="Train a small GPT on your own text, then evaluate it, sample from it and look "
        "inside.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None if width else "rich",
        context_settings={"help_option_names": ["-h", "--help"], "terminal_width": width},
    )
    app.callback()(_options)
    for name in names:
        module, function = _COMMANDS[name]
        kind = NarrowCommand if width else TyperCommand
        app.command(name, cls=kind)(as_command(getattr(import_module(module), function)))
    return app


def main() -> None:
    """Run the command line and exit with the code that errors.py and the README list."""
    _open_missing_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a C locale must not break on an umlaut
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", newline="\n")
    first = sys.argv[1] if len(sys.argv) > 1 else ""
    try:
        check_command(first, _COMMANDS)
        app = build_app([first]) if first in _COMMANDS else build_app()
        code = app(standalone_mode=False, prog_name="gptcli") or 0
        if code == _INTERRUPTED:  # how typer reports a Ctrl-C
            complain("interrupted")
        sys.stdout.flush()
    except BaseException as error:
        code = _report(error)
    sys.exit(code)


def _open_missing_streams() -> None:
    """Open the null device for each standard stream that the caller closed.

    Otherwise the next file that is opened would get the stream's number.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"gptcli {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Flags that stand before the command."""


def _is_closed_pipe(error: BaseException | None) -> bool:
    """Whether nobody reads the output any longer; Windows says that an argument is invalid."""
    if os.name == "nt" and isinstance(error, OSError) and not error.filename:
        return isinstance(error, BrokenPipeError) or error.errno == errno.EINVAL
    return isinstance(error, BrokenPipeError)


def _report(error: BaseException) -> int:
    """Print the line for ``error`` and return its exit code."""
    # Typer turns a closed pipe into a plain exit; its cause tells it from others.
    if _is_closed_pipe(error) or _is_closed_pipe(error.__context__):
        # The interpreter would flush stdout once more at exit and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _CLOSED_PIPE
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else _OWN_BUG
    if verbosity().debug:
        traceback.print_exception(error)
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        complain("interrupted")
        return _INTERRUPTED
    if isinstance(error, TrainingStopped):
        conclude(str(error))
        return error.exit_code
    if isinstance(error, GptcliError):
        complain(str(error))
        return error.exit_code
    if isinstance(error, typer.TyperException):
        if line := explained(error):  # empty after the help that a bare ``gptcli`` prints
            complain(line)
        return error.exit_code
    if isinstance(error, MemoryError):
        complain("out of memory: use a smaller model, batch or context")
        return MemoryExhaustedError.exit_code
    if isinstance(error, ImportError) and any(sign in str(error) for sign in _NO_MEMORY):
        complain(f"out of memory: a library cannot be loaded ({reason_of(error)}): raise ulimit -v")
        return MemoryExhaustedError.exit_code
    if isinstance(error, OSError):
        is_name = error.filename is not None and error.errno in _ABOUT_A_NAME
        is_output = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
        place = error.filename or ("the output" if is_output else "this machine")
        complain(f"{place}: {error.strerror or error}")
        return UsageError.exit_code if is_name else ResourceError.exit_code
    hint = "" if verbosity().debug else " (please run it again with --debug and report it)"
    complain(f"a bug in gptcli: {type(error).__name__}: {error}{hint}")
    return _OWN_BUG
