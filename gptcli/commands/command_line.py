"""A command of typer from a door: its flags are the fields of the request that the door takes."""

import inspect
import platform
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import Field, fields
from functools import wraps
from itertools import chain
from typing import Any, get_args, get_origin

import typer

from gptcli import __version__
from gptcli.commands.completion import one_of
from gptcli.commands.options import Flag, FormatRequest, Request, any_of, flag_of, own_names
from gptcli.commands.view.answer import Answer
from gptcli.commands.view.terminal import Verbosity, detail, set_verbosity
from gptcli.config.checks import flag

_WIDEST_CHOICES = 34  # in characters; longer lists stand in the help of the flag

Door = Callable[[Any], Answer | None]


def as_command(door: Door) -> Callable[..., None]:
    """The typer command with a flag for each field of the request that ``door`` takes.

    Its help is the docstring of ``door``, whose answer is written in the format asked for.
    Every command also has ``--quiet``, ``--verbose`` and ``--debug``.
    """
    request: type[FormatRequest] = door.__annotations__["request"]

    @wraps(door)
    def run(quiet: bool, verbose: bool, debug: bool, **given: Any) -> None:
        set_verbosity(Verbosity(quiet, verbose, debug))
        detail(f"gptcli {__version__}, Python {platform.python_version()}, {sys.platform}")
        started = time.perf_counter()
        asked = request(**given).understood()
        _give(door(asked), asked)
        detail(f"took {time.perf_counter() - started:.2f} s")

    parameters = [*_parameters(request), *_verbosity_parameters()]
    run.__doc__ = _flowing(inspect.getdoc(door) or "")
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return run


def _give(answer: Answer | None, asked: FormatRequest) -> None:
    from gptcli.commands.view.writer import give  # noqa: PLC0415  a wrong flag needs no writer

    give(answer, asked.output)


def _parameters(request: type[Request]) -> Iterator[inspect.Parameter]:
    """A command's own fields first, then those of the classes that it extends."""
    own = own_names(request)
    for one in sorted(fields(request), key=lambda one: one.name not in own):
        yield _keyword(one.name, one.type, _typer_parameter(request, one))


def _typer_parameter(request: type[Request], one: Field[Any]) -> Any:
    kept = flag_of(one)
    about, more = kept.about, {**_values(kept), **kept.more}
    if one.name == "form" and issubclass(request, FormatRequest):
        about = _formats_help(request)
        others = chain.from_iterable(request.formats_with.values())
        more["autocompletion"] = one_of(dict.fromkeys([*request.formats, *others]))
    if kept.is_argument:
        if any(get_origin(kind) is list for kind in get_args(one.type)):
            more["metavar"] = f"[{more['metavar']}]..."
        return typer.Argument(one.default, help=about, show_default=False, **more)
    names = kept.names or (flag(one.name),)
    shows_default = one.default is not None and one.default is not False
    return typer.Option(
        one.default,
        *names,
        help=about,
        rich_help_panel=kept.panel,
        show_default=shows_default,
        **more,
    )


def _values(kept: Flag) -> dict[str, Any]:
    """How typer shows the values of a flag in the help, and completes them."""
    if kept.offer is not None:
        return {"autocompletion": kept.offer}
    if not kept.choices:
        return {}
    shown = "|".join(kept.choices)
    return {
        "metavar": shown if len(shown) <= _WIDEST_CHOICES else "NAME",
        "autocompletion": one_of(kept.choices),
    }


def _formats_help(request: type[FormatRequest]) -> str:
    owners: dict[tuple[str, ...], list[str]] = {}
    for name, formats in request.formats_with.items():
        owners.setdefault(formats, []).append(flag(name))
    own = [f"with {any_of(names)} {_listed(formats)}" for formats, names in owners.items()]
    return "; ".join([_listed(request.formats), *own]) + "."


def _listed(formats: tuple[str, ...]) -> str:
    first, *others = formats
    return any_of([f"{first} (default)", *others]) if others else f"only {first}"


def _verbosity_parameters() -> Iterator[inspect.Parameter]:
    for name, short, about in (
        ("quiet", ("-q",), "Hide notes and progress."),
        ("verbose", ("-v",), "Show more details."),
        ("debug", (), "Show the traceback of an error."),
    ):
        yield _keyword(name, bool, typer.Option(False, flag(name), *short, help=about))


def _keyword(name: str, kind: Any, shown: Any) -> inspect.Parameter:
    """A parameter as typer reads it: its default says how it stands on the command line."""
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=shown, annotation=kind)


def _flowing(text: str) -> str:
    """Paragraphs without line breaks, for the help to fold at the terminal's width."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
