"""The command line: registers the commands, turns every failure into one line and a code."""

import os
import sys
import traceback
from typing import Annotated

import typer

from gptcli import __version__
from gptcli.commands import (
    count_params,
    evaluate,
    inspect_attention,
    prepare,
    sample,
    tokenize_text,
    train,
)
from gptcli.commands.options import with_loudness
from gptcli.commands.terminal import complain, loudness
from gptcli.errors import GptcliError, MemoryExhaustedError

_CLOSED_PIPE = 141
_INTERRUPTED = 130
_OWN_BUG = 1

app = typer.Typer(
    name="gptcli",
    help="From a text file to a GPT that you trained, measured, sampled and looked inside.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"gptcli {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Flags that stand before the command."""


for _name, _command in (
    ("tokenize", tokenize_text.tokenize_text),
    ("prepare", prepare.prepare),
    ("train", train.train_command),
    ("eval", evaluate.evaluate),
    ("sample", sample.sample),
    ("inspect-attention", inspect_attention.inspect_attention),
    ("count-params", count_params.count_params),
):
    app.command(_name)(with_loudness(_command))


def main() -> None:
    """Run the command line and exit with the code that errors.py and the README list."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a C locale must not break on an umlaut
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        code = app(standalone_mode=False) or 0
        sys.stdout.flush()
    except BaseException as error:
        code = _report(error)
    sys.exit(code)


def _report(error: BaseException) -> int:
    """Print the line for ``error`` and return its exit code."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else _OWN_BUG
    if isinstance(error, BrokenPipeError):
        # The interpreter would flush stdout once more at exit and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _CLOSED_PIPE
    if loudness().debug:
        traceback.print_exception(error)
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        complain("interrupted")
        return _INTERRUPTED
    if isinstance(error, GptcliError):
        complain(str(error))
        return error.exit_code
    if isinstance(error, typer.TyperException):
        if error.format_message():  # empty after the help that a bare ``gptcli`` prints
            complain(error.format_message())
        return error.exit_code
    if isinstance(error, MemoryError):
        complain("out of memory: choose a smaller model, batch or context")
        return MemoryExhaustedError.exit_code
    hint = "" if loudness().debug else " (run again with --debug and report it, please)"
    complain(f"a bug in gptcli: {type(error).__name__}: {error}{hint}")
    return _OWN_BUG
