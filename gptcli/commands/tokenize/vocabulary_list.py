"""``--vocab``: the tokens of a tokenizer, listed or searched."""

import sys
from collections.abc import Sequence
from dataclasses import replace

from gptcli.commands.tokenize.chosen_tokenizer import ChosenTokenizer
from gptcli.commands.view.answer import Answer, Document
from gptcli.commands.view.canvas import Canvas, clipped
from gptcli.commands.view.table_layout import to_text
from gptcli.commands.view.tables import Figure, Table
from gptcli.commands.view.terminal import note
from gptcli.errors import UsageError
from gptcli.tokenization.vocabulary import Vocabulary, VocabularyEntry

_ON_A_TERMINAL = 100  # entries, without --limit
_WIDEST_TOKEN = 24  # cells, on a terminal


def list_vocabulary(
    chosen: ChosenTokenizer, query: str | None, limit: int | None, is_terminal: bool
) -> Answer:
    """The entries that match ``query``, at most ``limit``; UsageError where none does."""
    vocabulary = Vocabulary(chosen.tokenizer)
    entries = list(vocabulary if query is None else vocabulary.search(query))
    if not entries:
        raise UsageError(f"no token of {chosen.origin} contains {query!r}: try a shorter text")
    shown = entries[: _ON_A_TERMINAL if limit is None and is_terminal else limit]

    def note_the_rest() -> None:
        if len(shown) < len(entries):
            hint = "" if limit else f": --limit {len(entries)}, or a pipe, shows all"
            note(f"the first {len(shown):,} of {len(entries):,} entries are shown{hint}")

    table = _table(shown)
    return Answer(
        "gptcli.codebook/1",
        lambda: _document(chosen, query, len(entries), shown),
        [table],
        drawing=lambda canvas: [_listed(table, canvas)],
        after=note_the_rest,
    )


def _document(
    chosen: ChosenTokenizer, query: str | None, n_found: int, shown: Sequence[VocabularyEntry]
) -> Document:
    return {
        "tokenizer": chosen.document(),
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


def _table(entries: Sequence[VocabularyEntry]) -> Table:
    rows = tuple(
        (
            Figure(entry.number, str(entry.number)),
            Figure(len(entry.content), str(len(entry.content))),
            entry.label,
            "special" if entry.is_special else entry.content.hex(" "),
        )
        for entry in entries
    )
    return Table("", ("id", "length", "token", "bytes"), rows, clips=True)


def _listed(table: Table, canvas: Canvas) -> str:
    """One line per entry; on a terminal it is cut to the width, elsewhere it is whole."""
    width = sys.maxsize
    if canvas.is_terminal:
        width, widest = canvas.width, min(_WIDEST_TOKEN, max(canvas.width - 20, 2))
        rows = (
            (number, length, clipped(str(label), widest), content)
            for number, length, label, content in table.rows
        )
        table = replace(table, rows=tuple(rows))
    return to_text([table], width, canvas.in_colour).removesuffix("\n")
