"""The one thing that a command may be asked for instead of the overview of all heads."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.text import Text

from gptcli.commands.view.canvas import Canvas
from gptcli.commands.view.drawing import quoted
from gptcli.commands.view.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from gptcli.inspection.report import Token


@dataclass(frozen=True)
class Focus:
    """What --pair, --token, --groups or --compare found, in every form.

    Attributes:
        key: where ``document`` stands in the JSON document of the command.
        drawing: what a terminal shows in place of the tables.
        picture: draws the figure, where there is one.

    """

    key: str
    document: Callable[[], Any]
    tables: Sequence[Table]
    csv: Table
    drawing: Callable[[Canvas], Iterator[Text | str]] | None = None
    picture: "Callable[[], Figure] | None" = None


def token_name(tokens: "Sequence[Token]", place: int) -> str:
    """A token by its number in the whole text, and its text: ``token 5 'creature'``."""
    return f"token {tokens[place].i} {quoted(tokens[place].text)}"


def percent(weight: float) -> str:
    """A weight as people read it."""
    return f"{weight:.0%}" if weight >= 0.095 or not weight else f"{weight:.1%}"
