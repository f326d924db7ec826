"""Options that several commands share, and the three that all of them have."""

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from gptcli.commands.terminal import Loudness, set_loudness

Checkpoint = Annotated[
    Path | None,
    typer.Argument(
        metavar="[CHECKPOINT]",
        help="A run, one of its resume steps, or a Hugging Face directory. Default: newest run.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Out = Annotated[Path | None, typer.Option("--out", help="Write to this file, not to stdout.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace --out if it exists.")]
Device = Annotated[str, typer.Option("--device", help="auto, cuda, mps or cpu.")]

_Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No notes, no progress.")]
_Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="More about what is done.")]
_Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")]


def with_loudness(command: Callable[..., None]) -> Callable[..., None]:
    """The command with ``--quiet``, ``--verbose`` and ``--debug`` added to its signature."""

    @wraps(command)
    def run(*args: Any, quiet: bool, verbose: bool, debug: bool, **kwargs: Any) -> None:
        set_loudness(Loudness(quiet, verbose, debug))
        command(*args, **kwargs)

    extra = {"quiet": _Quiet, "verbose": _Verbose, "debug": _Debug}
    signature = inspect.signature(command)
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=kind)
        for name, kind in extra.items()
    ]
    parameters = [*signature.parameters.values(), *added]
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {**command.__annotations__, **extra}
    return run
