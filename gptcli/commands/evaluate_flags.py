"""The options of ``eval``, in the groups that its help shows."""

from pathlib import Path
from typing import Annotated

import typer

_WHAT = "What is measured"

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
