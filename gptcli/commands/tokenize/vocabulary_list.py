"""``--vocab``: the tokens of a tokenizer, listed or searched."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.cells import cell_len
from rich.text import Text

from gptcli.commands.tokenize.output import Output, tokenizer_document
from gptcli.commands.tokenize.token_view import QUIET_COLOUR, clipped
from gptcli.commands.view.terminal import note
from gptcli.errors import UsageError
from gptcli.tokenization.vocabulary import Vocabulary, VocabularyEntry

if TYPE_CHECKING:
    from gptcli.tokenization.tokenizer import Tokenizer

_ON_A_TERMINAL = 100  # entries, unless told otherwise
_WIDEST_TOKEN = 24


class _Row(NamedTuple):
    number: str
    length: str
    label: str
    about: str


_HEADER = _Row("id", "length", "token", "bytes")


def list_codebook(
    tokenizer: "Tokenizer", origin: str, query: str | None, limit: int | None, output: Output
) -> None:
    """Give the entries that match ``query``, at most ``limit``; UsageError where none does."""
    book = Vocabulary(tokenizer)
    entries = list(book if query is None else book.search(query))
    if not entries:
        raise UsageError(f"no token of {origin} has {query!r} in it: ask for less of it")
    most = _ON_A_TERMINAL if limit is None and output.is_terminal else limit
    shown = entries[:most]
    if output.form == "json":
        output.document(_document(tokenizer, origin, query, len(entries), shown))
    else:
        output.draw(_table(shown, output))
    if len(shown) < len(entries):
        hint = "" if limit else f": --limit {len(entries)}, or a pipe, shows all"
        note(f"the first {len(shown):,} of {len(entries):,} entries are shown{hint}")


def _document(
    tokenizer: "Tokenizer",
    origin: str,
    query: str | None,
    n_found: int,
    shown: Sequence[VocabularyEntry],
) -> dict[str, Any]:
    return {
        "schema": "gptcli.codebook/1",
        "tokenizer": tokenizer_document(tokenizer, origin),
        "query": query,
        "found": n_found,
        "entries": [
            {
                "id": entry.number,
                "piece": entry.text,
                "bytes": entry.content.hex(" "),
                "length": len(entry.content),
                "special": entry.is_special,
            }
            for entry in shown
        ],
    }


def _table(entries: Sequence[VocabularyEntry], output: Output) -> Text:
    """One line for each; on a terminal none is wider than it, elsewhere none is cut."""
    rows = [_Row(str(e.number), str(len(e.content)), e.label, _about(e)) for e in entries]
    table = Text()
    sizes = [max(cell_len(cell) for cell in column) for column in zip(_HEADER, *rows, strict=True)]
    room = output.width if output.is_terminal else sys.maxsize
    for row in (_HEADER, *rows):
        if table:
            table.append("\n")
        table.append(_line(row, sizes, room), QUIET_COLOUR if row is _HEADER else "none")
    return table


def _line(row: _Row, sizes: Sequence[int], room: int) -> str:
    number, length = row.number.rjust(sizes[0]), row.length.rjust(sizes[1])
    start = f"{number}  {length}  "
    label = clipped(row.label, max(room - len(start), 2))
    label += " " * (min(sizes[2], _WIDEST_TOKEN) - cell_len(label))
    return clipped(f"{start}{label}  {row.about}", room).rstrip()


def _about(entry: VocabularyEntry) -> str:
    return "special" if entry.is_special else entry.content.hex(" ")
