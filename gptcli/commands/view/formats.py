"""Every output format; a new one is a function and a line here."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from gptcli.commands.view.answer import Answer
from gptcli.commands.view.canvas import Canvas
from gptcli.commands.view.documents import document_chunks, document_line, joined
from gptcli.commands.view.pictures import png_bytes, svg_text
from gptcli.commands.view.table_layout import to_text
from gptcli.commands.view.tables import to_csv, to_markdown

if TYPE_CHECKING:
    from rich.text import Text

Chunks = Iterator[str | bytes]

_PART = 2**20  # bytes


def _table(answer: Answer, canvas: Canvas) -> Chunks:
    """For people: text as it is generated, a drawing, or tables."""
    if answer.pieces is not None:
        yield from _pieces(answer, canvas)
    elif answer.drawing is not None:
        for part in answer.drawing(canvas):
            yield (part if isinstance(part, str) else _printed(part, canvas)) + "\n"
    else:
        yield to_text(answer.tables, canvas.width, canvas.in_colour)


def _printed(text: "Text", canvas: Canvas) -> str:
    from gptcli.commands.view.drawing import printed  # noqa: PLC0415  rich, for colours

    return printed(text, canvas)


def _pieces(answer: Answer, canvas: Canvas) -> Iterator[str]:
    assert answer.pieces is not None
    last = ""
    for piece in answer.pieces:
        last = piece or last
        yield canvas.literal(piece)
    is_open = not answer.is_exact or (canvas.is_terminal and not last.endswith("\n"))
    yield "\n" if is_open else ""


def _json(answer: Answer, canvas: Canvas) -> Chunks:
    assert answer.document is not None, "an answer without a document"
    yield from document_chunks(answer.schema, answer.document())


def _jsonl(answer: Answer, canvas: Canvas) -> Chunks:
    assert answer.lines is not None, "an answer without lines"
    yield from map(document_line, answer.lines)


def _ids(answer: Answer, canvas: Canvas) -> Chunks:
    assert answer.ids is not None, "an answer without ids"
    yield from joined(answer.ids, " ")
    yield "\n"


def _markdown(answer: Answer, canvas: Canvas) -> Chunks:
    yield to_markdown(answer.tables)


def _csv(answer: Answer, canvas: Canvas) -> Chunks:
    yield to_csv(answer.csv or answer.tables[0])


def _html(answer: Answer, canvas: Canvas) -> Chunks:
    assert answer.page is not None, "an answer without a page"
    yield answer.page()


def _svg(answer: Answer, canvas: Canvas) -> Chunks:
    assert answer.picture is not None, "an answer without a picture"
    yield svg_text(answer.picture)


def _png(answer: Answer, canvas: Canvas) -> Chunks:
    assert answer.picture is not None, "an answer without a picture"
    yield png_bytes(answer.picture)


def _npz(answer: Answer, canvas: Canvas) -> Chunks:
    import numpy as np  # noqa: PLC0415  for arrays alone

    assert answer.arrays is not None, "an answer without arrays"
    with tempfile.TemporaryFile() as written:
        np.savez(written, allow_pickle=False, **answer.arrays())
        written.seek(0)
        while part := written.read(_PART):
            yield part


FORMATS: Mapping[str, Callable[[Answer, Canvas], Chunks]] = MappingProxyType(
    {
        "table": _table,
        "text": _table,
        "json": _json,
        "jsonl": _jsonl,
        "ids": _ids,
        "md": _markdown,
        "csv": _csv,
        "html": _html,
        "svg": _svg,
        "png": _png,
        "npz": _npz,
    }
)
