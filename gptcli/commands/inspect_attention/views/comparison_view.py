"""``--compare`` and ``--compare-checkpoint``: every head in several readings, side by side."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import compress
from string import ascii_uppercase
from typing import Any

from rich.text import Text

from gptcli.commands.inspect_attention.cells import Scale
from gptcli.commands.inspect_attention.heatmap import draw_rows, legend, plan
from gptcli.commands.inspect_attention.views.focus import Focus, percent, token_name
from gptcli.commands.inspect_attention.views.row_view import row_documents
from gptcli.commands.view.canvas import Canvas
from gptcli.commands.view.drawing import heading, quoted, words
from gptcli.commands.view.table_layout import to_text
from gptcli.commands.view.tables import Cell, Figure, Table, one_line
from gptcli.config.checks import counted
from gptcli.inspection.head_kinds import kind_of
from gptcli.inspection.heads import Head
from gptcli.inspection.measures import Measured
from gptcli.inspection.metrics import METRICS
from gptcli.inspection.readings import Comparison, HeadChange
from gptcli.inspection.token_row import TokenRow
from gptcli.inspection.window import window_rows

LETTERS = ascii_uppercase
"""The names of readings in tables; their number is the most that can be compared."""

_RANKED = 10
_ROWS = 8  # heads whose rows of the common word are shown
_STRONGEST = 3
_LINKS = 5
_LEAST = 0.03  # smaller differences do not have the brightest colour
_POINTS = "points of the row's attention more than in A"


@dataclass(frozen=True)
class SideBySide:
    """What to show of a comparison.

    Attributes:
        metric: ranks heads where tokens differ, and is shown for each reading.
        chosen: the heads that are shown in full; none for the most changed.
        word: the text whose rows are shown, and its row in each reading.

    """

    comparison: Comparison
    metric: str
    chosen: tuple[Head, ...]
    word: str | None = None
    word_rows: tuple[TokenRow, ...] = ()

    @property
    def ranked(self) -> list[HeadChange]:
        """The chosen heads, or all, most changed first."""
        heads = self.comparison.most_changed(self.metric)
        return [change for change in heads if not self.chosen or change.head in self.chosen]

    @property
    def same_tokens(self) -> bool:
        """Whether any reading can be compared with the first cell by cell."""
        return any(part is not None for part in self.comparison.heads[0].moved)


def comparison_focus(compared: SideBySide) -> Focus:
    """Metrics side by side, then differences of patterns, or what one word draws in each text."""
    tables = [*_word_tables(compared), _metrics(compared, compared.ranked)]

    def drawing(canvas: Canvas) -> Iterator[Text | str]:
        yield from _names(canvas, compared.comparison)
        yield Text()
        shown = [*_word_tables(compared), _metrics(compared, compared.ranked[:_RANKED])]
        yield to_text(shown, canvas.width, canvas.in_colour).rstrip("\n")
        if compared.same_tokens:
            yield from _differences(canvas, compared)

    return Focus(
        "comparison", lambda: _document(compared), tables, _every_metric(compared), drawing
    )


def _names(canvas: Canvas, comparison: Comparison) -> Iterator[Text]:
    for letter, reading in zip(LETTERS, comparison.readings, strict=False):
        size = counted(len(reading.report.tokens), "token")
        yield from words(canvas, f"{letter}: {one_line(reading.name)} ({size})")


def _metrics(compared: SideBySide, changes: Sequence[HeadChange]) -> Table:
    """A metric in every reading, how it changed, how much the pattern moved, what it is."""
    metric, others = compared.metric, range(1, len(compared.comparison.readings))
    letters = LETTERS[: len(others) + 1]
    rows = list[tuple[Cell, ...]]()
    for change in changes:
        values = [Figure.of(part[metric].value, "z.2f") for part in change.metrics]
        steps = [Figure.of(change.change(metric, one), "+z.2f") for one in others]
        moved = [Figure(part, percent(part)) for part in change.moved if part is not None]
        kinds = [kind_of(part) or "-" for part in change.metrics]
        rows.append((str(change.head), *values, *steps, *moved, " | ".join(kinds)))
    has_moved = [part is not None for part in changes[0].moved]
    lettered = list(compress(letters[1:], has_moved))
    notes = ("Moved: the share of its attention that a head gives to other tokens than in A.",)
    return Table(
        f"{metric.replace('_', ' ').capitalize()} of the heads, most changed first",
        (
            "head", *letters, *(f"{one} - A" for one in letters[1:]),
            *(f"{one} moved" for one in lettered), "kinds",
        ),
        tuple(rows),
        spare=tuple(f"{one} - A" for one in letters[1:]),
        notes=notes if lettered else (),
    )  # fmt: skip


def _word_tables(compared: SideBySide) -> list[Table]:
    """What the common word draws from its text in each reading."""
    if compared.word is None:
        return []
    readings = compared.comparison.readings
    columns = [
        f"{letter}: {token_name(reading.report.tokens, row.query)}"
        for letter, reading, row in zip(LETTERS, readings, compared.word_rows, strict=False)
    ]
    rows: list[tuple[Cell, ...]] = [
        (str(head), *(_strongest(compared, number, head) for number in range(len(readings))))
        for head in compared.chosen or _telling(compared)[:_ROWS]
    ]
    title = f"What {quoted(compared.word)} draws from which token"
    return [Table(title, ("head", *columns), tuple(rows), folds=True)]


def _telling(compared: SideBySide) -> list[Head]:
    """The heads by how soon they rank in any of the rows."""
    ranks = [row.ranked for row in compared.word_rows]
    return sorted(ranks[0], key=lambda head: min(ranked.index(head) for ranked in ranks))


def _strongest(compared: SideBySide, number: int, head: Head) -> str:
    tokens = compared.comparison.readings[number].report.tokens
    pairs = compared.word_rows[number].strongest(head, _STRONGEST)
    return ", ".join(f"{quoted(tokens[place].text)} {percent(weight)}" for place, weight in pairs)


def _differences(canvas: Canvas, compared: SideBySide) -> Iterator[Text]:
    """The chosen heads' patterns, or the most changed head's, less those of the first reading."""
    comparison = compared.comparison
    heads = compared.chosen or (compared.ranked[0].head,)
    for found in comparison.differences(heads):
        tokens = comparison.readings[found.reading].report.tokens
        difference = found.difference
        yield from heading(canvas, f"Head {found.head}: {LETTERS[found.reading]} - A")
        if not (links := found.largest(_LINKS)):
            yield from words(canvas, "Every weight is the same.")
            continue
        scale = Scale(_POINTS, max(float(difference.abs().max()), _LEAST), True, True)
        layout = plan(canvas, tokens, scale)
        yield from draw_rows(canvas, layout, tokens, window_rows(difference, layout.window), scale)
        for link in links:
            query, key = (token_name(tokens, place) for place in (link.query, link.key))
            yield from words(
                canvas,
                f"{query} looks at {key} with {percent(link.weight)}, in A with "
                f"{percent(link.before)}",
            )
        yield Text()
        yield from legend(canvas, layout, scale)


def _every_metric(compared: SideBySide) -> Table:
    """For csv: a row for every head in every reading, with all metrics."""
    names = [reading.name for reading in compared.comparison.readings]
    rows: list[tuple[Cell, ...]] = [
        (str(change.head), name, Figure(moved, ""), *(_exact(metrics[one]) for one in METRICS))
        for change in compared.ranked
        for name, moved, metrics in zip(names, (None, *change.moved), change.metrics, strict=True)
    ]
    return Table("", ("head", "reading", "moved", *METRICS), tuple(rows))


def _exact(measured: Measured) -> Figure:
    return Figure(measured.value, "")


def _document(compared: SideBySide) -> dict[str, Any]:
    readings = compared.comparison.readings
    document: dict[str, Any] = {
        "metric": compared.metric,
        "readings": [
            {
                "name": reading.name,
                "directory": reading.loaded.directory.as_posix(),
                "tokens": [token.text for token in reading.report.tokens],
                "check": asdict(reading.report.check),
            }
            for reading in readings
        ],
        "heads": [_head_document(change) for change in compared.ranked],
    }
    if compared.word is not None:
        document["word"] = {
            "text": compared.word,
            "rows": [
                {
                    "i": reading.report.tokens[row.query].i,
                    "heads": row_documents(row, _heads(compared)),
                }
                for reading, row in zip(readings, compared.word_rows, strict=True)
            ],
        }
    return document


def _head_document(change: HeadChange) -> dict[str, Any]:
    return {
        "layer": change.head.layer,
        "head": change.head.index,
        "moved": list(change.moved),
        "kinds": [kind_of(metrics) for metrics in change.metrics],
        "metrics": [
            {name: asdict(measured) for name, measured in metrics.items()}
            for metrics in change.metrics
        ],
    }


def _heads(compared: SideBySide) -> list[Head]:
    return [change.head for change in compared.ranked]
