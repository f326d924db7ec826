"""What pictures of a run have in common: paper, colours, lines; for light pages and dark ones."""

from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gptcli.runtime.escapes import visible
from gptcli.runtime.files import write_text
from gptcli.training.metrics_log import Line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, GRID, BATCH = "#24292f", "#d8dee4", "#9aa5b1"
# Colours of Okabe and Ito, which colour-blind readers can tell apart.
TRAIN, VAL = "#0072b2", "#d55e00"
_IN_THE_DARK = {
    INK: "#e6edf3",
    GRID: "#30363d",
    BATCH: "#6e7781",
    TRAIN: "#56b4e9",
    VAL: "#ff8c42",
}
Point = tuple[int, float]
Place = Literal["best", "upper left", "lower right"]


def new_picture(title: str, n_rows: int = 1) -> "tuple[Figure, list[Axes]]":
    """An empty figure of so many plots, one below the other, over the same steps."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained", facecolor="none")
    FigureCanvasSVG(figure)
    rows = figure.subplots(n_rows, sharex=True, squeeze=False)[:, 0]
    for axes in rows:
        axes.set_facecolor("none")
    # Spaces stay as they are, and what cannot be seen is spelled out.
    shown = " ".join(map(visible, title.split(" ")))
    rows[0].set_title(shown, parse_math=False, loc="left", fontsize=11, color=INK)
    rows[-1].set_xlabel("step", color=INK)
    return figure, list(rows)


def frame(axes: "Axes", label: str, is_right: bool = False) -> None:
    """Give a plot its grid, its axes and the name of what it shows; a right axis has no grid."""
    axes.set_ylabel(label, color=INK)
    axes.tick_params(colors=INK, length=3)
    if not is_right:
        axes.grid(color=GRID, linewidth=0.7)
        axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        shown = ("right" if is_right else "left", "bottom")
        spine.set(color=INK, linewidth=0.7, visible=side in shown)


def points(lines: Sequence[Line], key: str) -> list[Point]:
    """The steps at which a figure was logged, and its values."""
    return [(line["step"], line[key]) for line in lines if line.get(key) is not None]


def draw_steps(axes: "Axes", found: Sequence[Point], label: str, colour: str = BATCH) -> None:
    """A thin line through the figures of steps."""
    if found:
        axes.plot(*zip(*found, strict=True), label=label, color=colour, linewidth=0.8)


def draw_evaluations(axes: "Axes", found: Sequence[Point], label: str, colour: str) -> None:
    """A line with a mark at each evaluation."""
    if found:
        axes.plot(
            *zip(*found, strict=True),
            label=label,
            color=colour,
            linewidth=1.5,
            marker="o",
            markersize=4,
        )


def finish(axes: "Axes", lines: Sequence[Line], place: Place = "best") -> None:
    """Name the lines at a place, and begin at step 0."""
    if axes.lines:
        axes.set_xlim(0, max(line["step"] for line in lines) * 1.02 or 1)
        axes.legend(frameon=False, labelcolor=INK, loc=place)


def ring(axes: "Axes", point: Point, label: str) -> None:
    """Ring the best evaluation, and write beside it what it is."""
    step, value = point
    axes.plot([step], [value], "o", markersize=10, markerfacecolor="none", markeredgecolor=INK)
    last = axes.get_xlim()[1]
    axes.annotate(
        f"best {label}\nat step {step:,}",
        point,
        xytext=(0, 9),
        textcoords="offset points",
        ha="right" if step > 0.85 * last else "left" if step < 0.15 * last else "center",
        va="bottom",
        fontsize=9,
        color=INK,
    )


def save_picture(figure: "Figure", path: Path) -> None:
    """Write the figure; without a date and with a fixed salt, the same run draws the same file."""
    import matplotlib

    drawn = StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "gptcli"}):
        figure.savefig(drawn, format="svg", metadata={"Date": None})
    write_text(path, drawn.getvalue().replace(" <defs>", _dark_style() + " <defs>", 1))


def _dark_style() -> str:
    """A style that exchanges the colours where the reader's pages are dark."""
    rules = [
        f' [style*="{kind}: {light}"] {{ {kind}: {dark} !important; }}'
        for light, dark in _IN_THE_DARK.items()
        for kind in ("fill", "stroke")
    ]
    body = "\n".join(rules)
    return f"<style>@media (prefers-color-scheme: dark) {{\n{body}\n}}</style>\n"
