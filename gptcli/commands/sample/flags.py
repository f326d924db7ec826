"""The options of ``sample``; those that SamplingConfig has come from a table."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gptcli.config.checks import flag
from gptcli.config.sampling import SamplingConfig

_DRAWING = "What is drawn"
_ENDING = "Where it ends"
_SHOWING = "What is shown"
_COMPUTING = "How it is computed"

_TABLE: tuple[tuple[str, type, str, str], ...] = (
    ("temperature", float, _DRAWING, "0 always takes the likeliest token."),
    ("top_k", int, _DRAWING, "Draw from the k likeliest tokens."),
    ("top_p", float, _DRAWING, "Draw from the fewest likely tokens that have it together."),
    ("min_p", float, _DRAWING, "Leave out what is less likely than this times the likeliest."),
    ("repetition_penalty", float, _DRAWING, "Above 1: what occurred becomes less likely."),
    ("seed", int, _DRAWING, "The same seed writes the same text."),
    ("num_samples", int, _DRAWING, "Texts to write, each with its own stream."),
    ("max_new_tokens", int, _ENDING, "Tokens to write after the prompt."),
    ("stop", list[str], _ENDING, "End before this text; may be repeated."),
    ("ignore_eos", bool, _ENDING, "Go on after an end-of-text token."),
    ("overflow", str, _ENDING, "Beyond the context: window (it moves) or error."),
    ("logprobs", int, _SHOWING, "With --json: of each token, and of the N likeliest."),
)
_SHORT = {"temperature": "-t", "max_new_tokens": "-n"}

PromptText = Annotated[
    str | None,
    typer.Option(
        "--prompt",
        help="Text to go on from; - is stdin. Default: an end of text, or a line break.",
        show_default=False,
    ),
]
PromptFile = Annotated[
    Path | None,
    typer.Option("--prompt-file", help="A file with the prompt; - is stdin.", show_default=False),
]
SkipUnknown = Annotated[
    bool,
    typer.Option("--skip-unknown", help="Leave out the prompt's characters that have no token."),
]
Interactive = Annotated[
    bool,
    typer.Option(
        "--interactive",
        "-i",
        help="Write, type, write on: Ctrl-C stops a text, Ctrl-D leaves.",
        rich_help_panel=_SHOWING,
    ),
]
Explain = Annotated[
    bool,
    typer.Option(
        "--explain",
        help="Show for each token the likeliest five, and which was drawn.",
        rich_help_panel=_SHOWING,
    ),
]
Stream = Annotated[
    bool | None,
    typer.Option(
        "--stream/--no-stream",
        help="Show text as it is written. Default: a single text on stdout.",
        rich_help_panel=_SHOWING,
        show_default=False,
    ),
]
SamplePrecision = Annotated[
    str,
    typer.Option(
        "--precision",
        help="float32, bfloat16, or auto as in train.",
        rich_help_panel=_COMPUTING,
    ),
]
Quantize = Annotated[
    str | None,
    typer.Option(
        "--quantize",
        help="int8: weights of one byte, written faster; eval --quantize says what it costs.",
        rich_help_panel=_COMPUTING,
        show_default=False,
    ),
]
Compile = Annotated[
    bool,
    typer.Option(
        "--compile",
        help="On the CPU: make the fast step for this kind of model, used from then on.",
        rich_help_panel=_COMPUTING,
    ),
]


def sampling_flags() -> dict[str, Any]:
    """Name -> annotation of every flag that is a field of SamplingConfig."""
    return {name: _annotation(name, kind, panel, text) for name, kind, panel, text in _TABLE}


def sampling_config(flags: dict[str, Any]) -> SamplingConfig:
    """What the flags say, the defaults where they are not given."""
    given = {name: value for name, value in flags.items() if value is not None}
    return SamplingConfig(**given | {"stop": tuple(given.get("stop", ()))})


def _annotation(name: str, kind: Any, panel: str, text: str) -> Any:
    default = getattr(SamplingConfig, name)
    said = f" (default: {default})" if default not in (None, (), False) else ""
    names = [flag(name), *([_SHORT[name]] if name in _SHORT else [])]
    option = typer.Option(*names, help=text + said, rich_help_panel=panel, show_default=False)
    return Annotated[kind | None, option]
