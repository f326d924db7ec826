"""The figure of ``svg`` and ``png``: patterns side by side, below a grid of all heads if asked."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from gptcli.commands.inspect_attention.figures.pattern_axes import (
    Cells,
    Look,
    Places,
    draw_pattern,
    explain_colours,
    label_letters,
    name_rows,
)
from gptcli.commands.view.palette import ink_on
from gptcli.commands.view.pictures import INK, drawable_words
from gptcli.inspection.metrics import METRICS
from gptcli.inspection.report import AttentionReport

if TYPE_CHECKING:  # slow, and needed for figures alone
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure, SubFigure

_POINTS = 72  # an inch
_CELL = 0.16  # inches for a token
_SMALLEST, _LARGEST = 3.0, 8.0  # inches of a pattern
_WIDEST = 14.0  # inches for a row of patterns
_BESIDE = 2.6  # inches for what is beside the rows of a pattern
_BAR = 0.9  # inches for a colour bar with its numbers
_LINE = 0.17  # inches for a line of text
_LETTERS = 13.5  # in an inch of text


@dataclass(frozen=True)
class Panel:
    """One pattern of a figure: cells of query by key, NaN or -inf where masked, and their places.

    ``beside`` are texts for the right of its rows, where queries are down.
    """

    title: str
    cells: Cells
    places: Places
    look: Look
    beside: Sequence[str] = ()


@dataclass(frozen=True)
class HeadGrid:
    """All heads of a report, coloured by a metric."""

    report: AttentionReport
    metric: str


@dataclass(frozen=True)
class AttentionFigure:
    """A title, the panels in rows of ``columns``, and the grid that stands above them."""

    title: str
    panels: Sequence[Panel]
    columns: int
    grid: HeadGrid | None = None


def draw_figure(asked: AttentionFigure) -> "Figure":
    """Draw the figure, which formats.py writes as SVG or PNG."""
    from matplotlib.figure import Figure

    plan = _Plan(asked)
    title = textwrap.wrap(drawable_words(asked.title), round(plan.width * _LETTERS * 0.9))
    height = plan.height + plan.above + _LINE * len(title) + 0.2
    figure = Figure(figsize=(plan.width, height), layout="constrained", facecolor="none")
    style: dict[str, Any] = {"fontsize": 10, "color": INK, "x": 0.01, "ha": "left"}
    figure.suptitle("\n".join(title), parse_math=False, **style)
    if asked.grid is None:
        _draw_panels(figure, plan)
        return figure
    ratios = (plan.above, plan.height)
    top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=ratios).flat
    for part in (top, bottom):
        part.set_facecolor("none")
    _draw_grid(top.subplots(), asked.grid, *plan.grid_cell)
    _draw_panels(bottom, plan)
    return figure


@dataclass(frozen=True)
class _Plan:
    """The sizes of a figure's parts in inches."""

    asked: AttentionFigure

    @cached_property
    def titles(self) -> list[str]:
        """The titles of all panels, in lines that are no wider than these."""
        wide = round((self.side + self.beside) * _LETTERS)
        lines = [drawable_words(panel.title).split("\n") for panel in self.asked.panels]
        folded = [[part for line in title for part in textwrap.wrap(line, wide)] for title in lines]
        return ["\n".join(title) for title in folded]

    @property
    def rows(self) -> int:
        return ceil(len(self.asked.panels) / self.asked.columns)

    @property
    def labels(self) -> float:
        """The room beside a pattern and below it for its tokens, and the word below them."""
        return 0.55 + 0.07 * max(label_letters(panel.places.tokens) for panel in self.asked.panels)

    @property
    def side(self) -> float:
        """The size of a pattern: room for each token, as long as a row is not too wide."""
        room = _WIDEST / self.asked.columns - self.labels
        longest = max(len(panel.cells) for panel in self.asked.panels)
        return min(max(_CELL * longest, _SMALLEST), room, _LARGEST)

    @property
    def beside(self) -> float:
        """The room for what is beside the rows of a pattern."""
        return _BESIDE if any(panel.beside for panel in self.asked.panels) else 0.0

    @property
    def width(self) -> float:
        kinds = {panel.look for panel in self.asked.panels if not panel.look.in_dots}
        panels = self.asked.columns * (self.side + self.labels) + self.beside + _BAR * len(kinds)
        return max(panels, 5.0, self.grid_width)

    @property
    def height(self) -> float:
        """The height of all panels, with what is written above and below them."""
        lines = max(title.count("\n") + 1 for title in self.titles)
        return self.rows * (self.side + self.labels + _LINE * lines + 0.1) + 0.4

    @property
    def grid_cell(self) -> tuple[float, float]:
        """The width and the height of a head in the grid of all."""
        if self.asked.grid is None:
            return 0.0, 0.0
        config = self.asked.grid.report.config
        return min(0.62, 9 / config.n_head), min(0.34, 8 / config.n_layer)

    @property
    def grid_width(self) -> float:
        grid = self.asked.grid
        return 0.0 if grid is None else self.grid_cell[0] * grid.report.config.n_head + 2.4

    @property
    def above(self) -> float:
        """The height of the grid of all heads with its title and labels."""
        grid = self.asked.grid
        return 0.0 if grid is None else self.grid_cell[1] * grid.report.config.n_layer + 1.0


def _draw_panels(figure: "Figure | SubFigure", plan: _Plan) -> None:
    """Draw every panel, a colour bar for each kind of cells, and how to read them below."""
    panels, columns = plan.asked.panels, plan.asked.columns
    places = figure.subplots(plan.rows, columns, squeeze=False).flat
    limits = {look: _limit(panels, look) for look in {panel.look: None for panel in panels}}
    drawn: dict[Look, list[tuple[Axes, ScalarMappable]]] = {}
    for panel, title in zip(panels, plan.titles, strict=True):
        axes, look = next(places), panel.look
        image = draw_pattern(
            axes, panel.cells, panel.places, look, plan.side * _POINTS, limits[look]
        )
        axes.set_title(title, fontsize=9, color=INK, loc="left", parse_math=False)
        name_rows(axes, panel.beside)
        if image is not None:
            drawn.setdefault(look, []).append((axes, image))
    for axes in places:
        axes.set_axis_off()
    for look, found in drawn.items():
        explain_colours([axes for axes, _ in found], found[0][1], look)
    read = (panel.look.reading(panel.cells, panel.places.cell) for panel in panels)
    said = dict.fromkeys(chain.from_iterable(read))
    shown = textwrap.fill(" ".join(said), round(plan.width * _LETTERS))
    figure.supxlabel(shown, fontsize=9, color=INK)


def _limit(panels: Sequence[Panel], look: Look) -> float:
    """The largest absolute value of all cells of a kind that are not masked; 1 for shares."""
    if look.are_shares:
        return 1.0
    cells = [panel.cells[np.isfinite(panel.cells)] for panel in panels if panel.look == look]
    return float(max(np.abs(one).max(initial=0.0) for one in cells)) or 1.0


def _draw_grid(axes: "Axes", grid: HeadGrid, width: float, height: float) -> None:
    """Draw all heads, layers down and heads across, bright where the ranking begins."""
    config, metric = grid.report.config, METRICS[grid.metric]
    measured = [one.metrics[grid.metric].value for one in grid.report.heads]
    values = np.array(
        [np.nan if value is None else value for value in measured], dtype=np.float64
    ).reshape(config.n_layer, config.n_head)
    image = axes.imshow(
        np.ma.masked_invalid(values),
        cmap="viridis_r" if metric.lowest_first else "viridis",
        interpolation="nearest",
        aspect=height / width,
    )
    axes.set_anchor("W")
    has_numbers = width > 0.4 and height > 0.15
    for layer, head in np.ndindex(values.shape) if has_numbers else ():
        value = values[layer, head]
        red, green, blue, _ = map(int, image.to_rgba(value, bytes=True))
        ink = "black" if ink_on((red, green, blue)) == (0, 0, 0) else "white"
        shown = f"{value:z.2f}" if np.isfinite(value) else "-"
        axes.text(head, layer, shown, ha="center", va="center", fontsize=7.5, color=ink)
    name = grid.metric.replace("_", " ")
    title = f"{name.capitalize()} of every head: {metric.about}"
    axes.set_title(title, fontsize=10, color=INK, loc="left")
    axes.set_xticks(_some(config.n_head), [f"H{index}" for index in _some(config.n_head)])
    axes.set_yticks(_some(config.n_layer), [f"L{index}" for index in _some(config.n_layer)])
    axes.tick_params(colors=INK, labelsize=8, length=0)
    if not np.isfinite(values).any():  # a single token has no figures
        return
    bar = axes.figure.colorbar(image, cax=axes.inset_axes((1.02, 0, 0.025, 1)))
    bar.set_label(f"{name} ({metric.unit})" if metric.unit else name, color=INK, fontsize=9)
    bar.ax.tick_params(colors=INK, labelsize=8)
    for edge in (*axes.spines.values(), bar.outline):
        edge.set(edgecolor=INK, linewidth=0.5)


def _some(count: int) -> range:
    """All of a few layers or heads, or every so many of them."""
    return range(0, count, ceil(count / 32))
