"""What a command found, in every form that it can be given in."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # every command knows its answer before it is known what that needs
    from numpy.typing import NDArray
    from rich.text import Text

    from gptcli.commands.view.canvas import Canvas
    from gptcli.commands.view.tables import Table

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """A command's result. formats.py makes each format of the part that it needs.

    Attributes:
        schema: the name of the JSON document, as ``gptcli.eval/1``.
        document: the rest of it. A value may be ``Streamed``, so that no length is too long.
        tables: what ``table`` and ``md`` show.
        csv: the table that ``csv`` holds; the first one if it is not named.
        drawing: what a terminal shows in place of the tables, line by line or in larger parts.
        pieces: text that is shown as it grows, in place of tables and drawing.
        is_exact: whether ``pieces`` are given to the byte, without a line end behind them.
        ids: token ids, written, in groups of any size (``ids``).
        lines: documents of one line each (``jsonl``).
        page: a page that needs nothing but itself (``html``).
        picture: a drawing (``svg``).
        arrays: numbers by name (``npz``).
        after: what remains to be said or raised when the result has been given.
        resources: what is closed at the very end.

    """

    schema: str = ""
    document: Callable[[], Document] | None = None
    tables: "Sequence[Table]" = ()
    csv: "Table | None" = None
    drawing: "Callable[[Canvas], Iterable[Text | str]] | None" = None
    pieces: Iterable[str] | None = None
    is_exact: bool = False
    ids: Iterable[Iterable[str]] | None = None
    lines: Iterable[Document] | None = None
    page: Callable[[], str] | None = None
    picture: Callable[[], str] | None = None
    arrays: "Callable[[], Mapping[str, NDArray[Any]]] | None" = None
    after: Callable[[], None] | None = None
    resources: ExitStack = field(default_factory=ExitStack)
