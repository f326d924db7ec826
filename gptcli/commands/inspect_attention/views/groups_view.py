"""``--groups``: which groups of characters look at which, head by head."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rich.text import Text

from gptcli.commands.inspect_attention.views.focus import Focus, percent
from gptcli.commands.view.canvas import Canvas
from gptcli.commands.view.drawing import heading, words
from gptcli.commands.view.tables import Cell, Figure, Table
from gptcli.inspection.groups import GroupLink, most_specific
from gptcli.inspection.heads import Head

GroupsOf = Mapping[Head, Sequence[GroupLink]]

_IN_FULL = 2  # heads, if none are chosen
_SUMMARISED = 10
_HOW = (
    "Rows, with the number of their tokens, look at columns: the share of the attention, and how "
    "many times an even spread over the past it is."
)


def groups_focus(found: GroupsOf, chosen: Sequence[Head]) -> Focus:
    """The table of every chosen head, else of the most specific ones after a ranking of heads."""
    ordered = by_specificity(found)
    in_full = chosen or ordered[:_IN_FULL]
    ranking = () if chosen else (_ranking(found, ordered[:_SUMMARISED]),)
    tables = [_table(head, found[head]) for head in in_full]
    tables[-1] = replace(tables[-1], notes=(_HOW,))
    listed = [head for head in ordered if not chosen or head in chosen]
    rows: list[tuple[Cell, ...]] = [
        (str(head), *_exact(link)) for head in listed for link in found[head]
    ]
    columns = ("head", "looks", "at", "weight", "even", "ratio", "rows")
    csv = Table("", columns, tuple(rows))
    return Focus("groups", lambda: _document(found, listed), (*ranking, *tables), csv)


def by_specificity(found: GroupsOf) -> list[Head]:
    """The heads by how far their most specific link is above an even spread."""

    def above_even(head: Head) -> float:
        link = most_specific(found[head])
        return 0.0 if link is None else link.even - link.weight

    return sorted(found, key=above_even)


def summary(canvas: Canvas, found: GroupsOf, count: int) -> Iterator[Text]:
    """A line for each of the most specific heads, for the overview."""
    links = [(head, most_specific(found[head])) for head in by_specificity(found)[:count]]
    yield from heading(canvas, "What looks for what (--groups shows more)")
    for head, link in links:
        if link is not None:
            yield from words(
                canvas,
                f"{head}: {link.looks} looks at {link.at} with {percent(link.weight)}, "
                f"{link.ratio:.1f} times an even spread",
            )


def _ranking(found: GroupsOf, heads: Sequence[Head]) -> Table:
    links = [(head, most_specific(found[head])) for head in heads]
    rows: list[tuple[Cell, ...]] = [
        (str(head), link.looks, link.at, _share(link.weight), _share(link.even), link.rows)
        for head, link in links
        if link is not None
    ]
    return Table(
        "The heads that look for one group most: furthest above an even spread",
        ("head", "looks", "at", "weight", "even", "rows"),
        tuple(rows),
    )


def _table(head: Head, links: Sequence[GroupLink]) -> Table:
    """Groups that look, by groups that are looked at."""
    keys = list(dict.fromkeys(link.at for link in links))
    rows: list[tuple[Cell, ...]] = []
    for looks in dict.fromkeys(link.looks for link in links):
        of_row = [link for link in links if link.looks == looks]
        rows.append((f"{looks} ({of_row[0].rows})", *map(_both, of_row)))
    return Table(
        f"Head {head}: what looks for what",
        ("looks", *keys),
        tuple(rows),
        folds=True,
    )


def _both(link: GroupLink) -> Figure:
    ratio = "" if link.ratio is None else f" {link.ratio:.1f}x"
    return Figure(link.weight, "-" if link.ratio is None else percent(link.weight) + ratio)


def _share(value: float) -> Figure:
    return Figure(value, percent(value))


def _exact(link: GroupLink) -> tuple[Cell, ...]:
    figures = (Figure(value, "") for value in (link.weight, link.even, link.ratio))
    return link.looks, link.at, *figures, link.rows


def _document(found: GroupsOf, heads: Sequence[Head]) -> list[dict[str, Any]]:
    return [
        {
            "layer": head.layer,
            "head": head.index,
            "links": [
                {
                    "looks": link.looks,
                    "at": link.at,
                    "weight": link.weight,
                    "even": link.even,
                    "ratio": link.ratio,
                    "rows": link.rows,
                }
                for link in found[head]
            ],
        }
        for head in heads
    ]
