"""Options that several commands share, and the three that all of them have."""

import inspect
import platform
import sys
import time
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from gptcli import __version__
from gptcli.commands.view.terminal import Verbosity, detail, set_verbosity

Checkpoint = Annotated[
    Path | None,
    typer.Argument(
        metavar="CHECKPOINT",
        help="A run or resume step, a Hugging Face directory or hub id. Default: newest run.",
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


def with_verbosity(command: Callable[..., None]) -> Callable[..., None]:
    """The command with ``--quiet``, ``--verbose`` and ``--debug``."""

    @wraps(command)
    def run(*args: Any, quiet: bool, verbose: bool, debug: bool, **kwargs: Any) -> None:
        set_verbosity(Verbosity(quiet, verbose, debug))
        detail(f"gptcli {__version__}, Python {platform.python_version()}, {sys.platform}")
        started = time.perf_counter()
        command(*args, **kwargs)
        detail(f"took {time.perf_counter() - started:.2f} s")

    run.__doc__ = _flowing(inspect.getdoc(command) or "")
    return with_options(run, {"quiet": _Quiet, "verbose": _Verbose, "debug": _Debug}, False)


def with_options(
    command: Callable[..., None], annotations: Mapping[str, Any], default: object
) -> Callable[..., None]:
    """The command with these options in its signature, handed to it as keywords."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        command(*args, **kwargs)

    signature = inspect.signature(command)
    own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, kind in annotations.items()
    ]
    run.__signature__ = signature.replace(parameters=[*own, *added])  # type: ignore[attr-defined]
    run.__annotations__ = {**command.__annotations__, **annotations}
    return run


def _flowing(text: str) -> str:
    """Paragraphs without line breaks, for the help to fold at the terminal's width."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
