"""The options of ``eval``, in the groups that its help shows."""

from pathlib import Path
from typing import Annotated

import typer

_WHAT = "What is measured"
_HOW = "Instead of the figures of the whole"

Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="Dataset. Default: the run's own.",
        rich_help_panel=_WHAT,
        show_default=False,
    ),
]
SplitName = Annotated[str, typer.Option("--split", help="val or train.", rich_help_panel=_WHAT)]
Text = Annotated[
    Path | None,
    typer.Option(
        "--text",
        help="A file of raw text instead of a dataset; - is stdin.",
        rich_help_panel=_WHAT,
        show_default=False,
    ),
]
Stride = Annotated[
    int | None,
    typer.Option(
        "--stride",
        help="Tokens between windows; below the context, each is seen with at least context - "
        "stride before it. Default: the context, no overlap.",
        rich_help_panel=_WHAT,
        show_default=False,
    ),
]
PerToken = Annotated[
    bool,
    typer.Option(
        "--per-token",
        help="Each token's loss, probability, rank and alternatives, as --format jsonl (default), "
        "npz, or html: the text coloured by surprise.",
        rich_help_panel=_HOW,
    ),
]
By = Annotated[
    str | None,
    typer.Option(
        "--by",
        help="position: the loss by the number of tokens seen, as plot and table.",
        rich_help_panel=_HOW,
        show_default=False,
    ),
]
Compare = Annotated[
    list[Path] | None,
    typer.Option(
        "--compare",
        metavar="CHECKPOINT",
        help="Another model on the same tokens: the difference and its standard error; may be "
        "repeated.",
        rich_help_panel=_HOW,
        show_default=False,
    ),
]
Quantize = Annotated[
    str | None,
    typer.Option(
        "--quantize",
        help="int8: what weights of one byte would lose, compared with the model as it is.",
        rich_help_panel=_HOW,
        show_default=False,
    ),
]
Verify = Annotated[
    bool,
    typer.Option(
        "--verify",
        help="Check the files' hashes and, if transformers is installed, ids, logits and greedy "
        "text against it.",
        rich_help_panel=_HOW,
    ),
]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="table or json; with --per-token jsonl, npz or html. Default: table.",
        show_default=False,
    ),
]
Tasks = Annotated[
    str | None,
    typer.Option(
        "--tasks",
        metavar="NAME,...",
        help="Tasks of lm-eval, or YAML files that describe one (extra: tasks).",
        rich_help_panel=_HOW,
        show_default=False,
    ),
]
Limit = Annotated[
    int | None,
    typer.Option(
        "--limit",
        help="Examples of each task. Default: all.",
        rich_help_panel=_HOW,
        show_default=False,
    ),
]
