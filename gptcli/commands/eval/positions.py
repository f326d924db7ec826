"""The loss by position, as a plot and a table or as a document."""

from typing import TYPE_CHECKING, Any

from gptcli.commands.view.bars import column_plot
from gptcli.commands.view.tables import Cell, Share, Table, to_text

if TYPE_CHECKING:
    from gptcli.evaluation.loss import PositionLosses

_COLUMNS = ("tokens seen", "targets", "loss", "perplexity", "accuracy")
_LABELS = 9  # columns before the plot


def positions_text(found: "PositionLosses", context: int, width: int, colour: bool) -> str:
    """A plot over all positions and a table by doublings of what was seen."""
    from gptcli.evaluation.loss import doublings, even_parts

    parts = [found.between(*part) for part in even_parts(context, max(width - _LABELS, 8))]
    losses = [None if part is None else part.loss for part in parts]
    plot = column_plot(losses, "1", f"{context:,}")
    rows = []
    for first, last in doublings(context):
        part = found.between(first, last)
        if part is not None:
            seen = f"{first:,}" if first == last else f"{first:,} to {last:,}"
            cells: tuple[Cell, ...] = (f"{part.loss:.4f}", f"{part.perplexity:.3f}")
            rows.append((seen, part.n_targets, *cells, Share(part.accuracy)))
    sheet = Table("Loss by position", _COLUMNS, tuple(rows))
    title = "Loss in nats per token, by the number of tokens seen before it"
    return "\n".join([title, *plot, "", to_text([sheet], width, colour)])


def positions_document(found: "PositionLosses", context: int) -> dict[str, Any]:
    """Every position that has targets."""
    positions = []
    for seen in range(1, context + 1):
        part = found.between(seen, seen)
        if part is not None:
            figures = {"loss": part.loss, "accuracy": part.accuracy, "tokens": part.n_targets}
            positions.append({"seen": seen} | figures)
    return {"positions": positions}
