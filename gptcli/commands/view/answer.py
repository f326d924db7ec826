"""The result of a command, in all the forms in which it can be written."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # command.py imports this file, and a wrong flag must fail fast
    from matplotlib.figure import Figure
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
        document: its content. A value may be streamed (documents.py), of any length.
        tables: what ``table`` and ``md`` show.
        csv: the table that ``csv`` holds; the first one if it is not named.
        drawing: what ``table`` shows in place of the tables, line by line or in larger parts.
        pieces: text that is shown as it grows, in place of tables and drawing.
        is_exact: whether ``pieces`` are written byte for byte, without a final line end.
        ids: token ids as decimal numbers, in groups of any size (``ids``).
        lines: documents of one line each (``jsonl``).
        page: a self-contained page (``html``).
        picture: draws the figure of ``svg`` and ``png``.
        arrays: numbers by name (``npz``).
        after: called when the result has been written, for notes and errors.
        resources: closed at the very end.

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
    picture: "Callable[[], Figure] | None" = None
    arrays: "Callable[[], Mapping[str, NDArray[Any]]] | None" = None
    after: Callable[[], None] | None = None
    resources: ExitStack = field(default_factory=ExitStack)
