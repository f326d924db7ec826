"""loss.svg: the course of a run at a glance, on light pages and on dark ones."""

from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from gptcli.runtime.escapes import visible
from gptcli.runtime.files import write_text
from gptcli.training.metrics_log import Line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PLOT_FILE = "loss.svg"
_INK, _GRID, _BATCH = "#24292f", "#d8dee4", "#9aa5b1"
# Colours of Okabe and Ito, which colour-blind readers can tell apart.
_TRAIN, _VAL = "#0072b2", "#d55e00"
_IN_THE_DARK = {
    _INK: "#e6edf3",
    _GRID: "#30363d",
    _BATCH: "#6e7781",
    _TRAIN: "#56b4e9",
    _VAL: "#ff8c42",
}
_SPLITS = (("train_loss", "train split", _TRAIN), ("val_loss", "val split", _VAL))
_MARGIN = 0.06  # of the range of losses that is shown
Point = tuple[int, float]


def draw_loss(lines: list[Line], path: Path, title: str, warmup_iters: int = 0) -> None:
    """Draw the loss of batches and the evaluations of both splits over the steps.

    The axis of the loss begins at the first evaluation after the warm-up: the loss of a model
    that has learnt nothing would leave no room for what follows.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained", facecolor="none")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot(facecolor="none")
    _frame(axes)
    axes.set_title(_legible(title), parse_math=False, loc="left", fontsize=11, color=_INK)
    batches = _points(lines, "loss")
    if batches:
        axes.plot(*zip(*batches, strict=True), label="batch", color=_BATCH, linewidth=0.8)
    for key, label, colour in _SPLITS:
        # The model of step 0 has learnt nothing, so no line leads from it to the others.
        learnt = [point for point in _points(lines, key) if point[0]]
        if learnt:
            axes.plot(
                *zip(*learnt, strict=True),
                label=label,
                color=colour,
                linewidth=1.5,
                marker="o",
                markersize=4,
            )
    if axes.lines:
        axes.set_xlim(0, max(line["step"] for line in lines) * 1.02)
        axes.legend(frameon=False, labelcolor=_INK)
    if shown := _shown_losses(lines, warmup_iters):
        low, high = min(shown), max(shown)
        room = _MARGIN * (high - low) or 0.1
        axes.set_ylim(low - 2 * room, high + room)
    _mark_best(axes, lines)
    drawn = StringIO()
    # Without a date and with a fixed salt, the same run draws the same file.
    with matplotlib.rc_context({"svg.hashsalt": "gptcli"}):
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    write_text(path, drawn.getvalue().replace(" <defs>", _dark_style() + " <defs>", 1))


def _legible(title: str) -> str:
    """The title with spaces as they are and what cannot be seen spelled out."""
    return " ".join(map(visible, title.split(" ")))


def _frame(axes: "Axes") -> None:
    axes.set_xlabel("step", color=_INK)
    axes.set_ylabel("loss (nats per token)", color=_INK)
    axes.tick_params(colors=_INK, length=3)
    axes.grid(color=_GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set(color=_INK, linewidth=0.7, visible=side in ("left", "bottom"))


def _points(lines: Sequence[Line], key: str) -> list[Point]:
    return [(line["step"], line[key]) for line in lines if line.get(key) is not None]


def _shown_losses(lines: Sequence[Line], warmup_iters: int) -> list[float]:
    """The losses that must lie within the axis: those from the first evaluation after warm-up.

    Where there is no second one, the batches after the warm-up give the curve its range.
    """
    evaluated = [(step, loss) for key, *_ in _SPLITS for step, loss in _points(lines, key) if step]
    after = sorted({step for step, _ in evaluated if step > warmup_iters})
    begin = after[0] if len(after) > 1 else warmup_iters + 1
    return [loss for step, loss in evaluated + _points(lines, "loss") if step >= begin]


def _mark_best(axes: "Axes", lines: Sequence[Line]) -> None:
    """Ring the lowest loss of val, or of train where there is no val, and write it beside."""
    found = _points(lines, "val_loss") or _points(lines, "train_loss")
    learnt = [point for point in found if point[0]]
    if not learnt:
        return
    step, loss = min(learnt, key=lambda point: (point[1], point[0]))
    axes.plot([step], [loss], "o", markersize=10, markerfacecolor="none", markeredgecolor=_INK)
    last = axes.get_xlim()[1]
    axes.annotate(
        f"best {loss:.4f}\nat step {step:,}",
        (step, loss),
        xytext=(0, 9),
        textcoords="offset points",
        ha="right" if step > 0.85 * last else "left" if step < 0.15 * last else "center",
        va="bottom",
        fontsize=9,
        color=_INK,
    )


def _dark_style() -> str:
    """A style that exchanges the colours where the reader's pages are dark."""
    rules = [
        f' [style*="{kind}: {light}"] {{ {kind}: {dark} !important; }}'
        for light, dark in _IN_THE_DARK.items()
        for kind in ("fill", "stroke")
    ]
    body = "\n".join(rules)
    return f"<style>@media (prefers-color-scheme: dark) {{\n{body}\n}}</style>\n"
