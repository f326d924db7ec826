"""``eval --by position``: the loss by the number of tokens seen before the target."""

import textwrap
from collections.abc import Iterator
from typing import Any

from gptcli.commands.eval.subject import Subject, check_loss
from gptcli.commands.view.answer import Answer
from gptcli.commands.view.bars import column_plot
from gptcli.commands.view.canvas import Canvas
from gptcli.commands.view.table_layout import to_text
from gptcli.commands.view.tables import Cell, Figure, Share, Table, facts, records
from gptcli.evaluation.loss import (
    PositionLosses,
    doublings,
    even_parts,
    position_losses,
)
from gptcli.runtime.world import World

_COLUMNS = ("tokens seen", "targets", "loss", "perplexity", "accuracy")
_TITLE = "Loss in nats per token, by the number of tokens seen before"
_LABELS = 9  # columns before the plot
_NARROWEST_PLOT = 8


def positions_answer(subject: Subject, world: World) -> Answer:
    """A plot over all positions, and a table of ranges that double in length."""
    with subject.evaluating(world) as evaluation_pass:
        found = position_losses(evaluation_pass)
    context = subject.context
    whole = found.between(1, context)
    assert whole is not None, "a subject without targets"
    check_loss(subject, whole.loss)
    tables = [_table(found, context), facts("", subject.condition_rows(subject.text_size()))]

    def drawing(canvas: Canvas) -> Iterator[str]:
        yield from textwrap.wrap(_TITLE, canvas.width)
        yield from _plot(found, context, canvas.width)
        yield ""
        yield to_text(tables, canvas.width, canvas.in_colour).removesuffix("\n")

    positions = list(_positions(found, context))
    return Answer(
        "gptcli.eval-position/1",
        lambda: {**subject.conditions, "positions": positions},
        tables,
        csv=records(positions),
        drawing=drawing,
    )


def _plot(found: PositionLosses, context: int, width: int) -> list[str]:
    parts = even_parts(context, max(width - _LABELS, _NARROWEST_PLOT))
    losses = [None if part is None else part.loss for part in (found.between(*p) for p in parts)]
    return column_plot(losses, "1", f"{context:,}")


def _table(found: PositionLosses, context: int) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for first, last in doublings(context):
        part = found.between(first, last)
        if part is not None:
            seen = f"{first:,}" if first == last else f"{first:,} to {last:,}"
            figures = Figure.of(part.loss, ".4f"), Figure.of(part.perplexity, ".3f")
            rows.append((seen, part.n_targets, *figures, Share(part.accuracy)))
    return Table("Loss by position", _COLUMNS, tuple(rows), spare=("perplexity", "targets"))


def _positions(found: PositionLosses, context: int) -> Iterator[dict[str, Any]]:
    """Every position that has targets."""
    for seen in range(1, context + 1):
        part = found.between(seen, seen)
        if part is not None:
            yield {
                "seen": seen,
                "loss": part.loss,
                "accuracy": part.accuracy,
                "tokens": part.n_targets,
            }
