"""The figure of ``svg`` and ``png``: all heads by a metric, or the patterns of chosen heads."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from gptcli.commands.inspect_attention.heatmap import expectation
from gptcli.commands.inspect_attention.pattern_axes import (
    Cells,
    Look,
    draw_pattern,
    explain_colours,
    name_rows,
)
from gptcli.commands.view.canvas import clipped
from gptcli.commands.view.palette import ink_on
from gptcli.commands.view.pictures import INK, drawable, drawable_words
from gptcli.config.checks import counted
from gptcli.inspection.capture import Recording
from gptcli.inspection.head_kinds import kind_of
from gptcli.inspection.heads import Head
from gptcli.inspection.measures import Measured
from gptcli.inspection.metrics import METRICS
from gptcli.inspection.report import AttentionReport, HeadReport
from gptcli.inspection.stage_names import Stage
from gptcli.inspection.stages import stage_values
from gptcli.model.gpt import GPT

if TYPE_CHECKING:  # slow, and needed for figures alone
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

MULTIPLES = 6  # heads whose patterns stand below the grid of all heads
_POINTS = 72  # an inch
_CELL = 0.16  # inches for a token
_WIDEST = 14.0  # inches for a row of patterns
_LABELS = 1.1  # inches for labels beside a pattern and below it
_BESIDE = 2.6  # inches for the predictions of a single pattern
_LINE = 0.17  # inches for a line of text
_LETTERS = 13.5  # in an inch of text
_QUOTED = 90  # letters of the text in the title


@dataclass(frozen=True)
class AttentionFigure:
    """What a figure shows: the cells of some heads, below all heads by ``metric`` if asked.

    ``cells`` are query by key, NaN or -inf where masked.
    """

    report: AttentionReport
    cells: Mapping[Head, Cells]
    metric: str
    look: Look = field(default_factory=Look)
    with_all_heads: bool = False


def figure_cells(
    model: GPT, recording: Recording, heads: Sequence[Head], stage: Stage
) -> dict[Head, Cells]:
    """One stage of these heads; computes only the layers they are in.

    The future is NaN where it is masked, as its zeros are no weights.
    """
    cells: dict[Head, Cells] = {}
    for layer in sorted({head.layer for head in heads}):
        values = stage_values(model, recording, layer, stage).cpu().double().numpy()
        if stage not in ("raw", "scaled"):
            values[:, *np.triu_indices(values.shape[1], 1)] = np.nan
        cells |= {head: values[head.index].copy() for head in heads if head.layer == layer}
    return {head: cells[head] for head in heads}


def draw_figure(asked: AttentionFigure) -> "Figure":
    """Draw the figure, which formats.py writes as SVG or PNG."""
    from matplotlib.figure import Figure

    config, patterns = asked.report.config, _Patterns(asked)
    across, down = min(0.62, 9 / config.n_head), min(0.34, 8 / config.n_layer)
    above = down * config.n_layer + 1.0 if asked.with_all_heads else 0.0
    width = max(patterns.width, across * config.n_head + 2.4 if above else 6.0)
    title = textwrap.wrap(_headline(asked.report), round(width * _LETTERS * 0.9))
    height = patterns.height + above + _LINE * len(title) + 0.2
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="none")
    style: dict[str, Any] = {"fontsize": 10, "color": INK, "x": 0.01, "ha": "left"}
    figure.suptitle("\n".join(title), parse_math=False, **style)
    if not above:
        patterns.draw(figure)
        return figure
    parts = figure.subfigures(2, 1, squeeze=False, height_ratios=(above, patterns.height))
    top, bottom = parts.flat
    for part in (top, bottom):
        part.set_facecolor("none")
    _draw_grid(top.subplots(), asked, down / across, has_numbers=across > 0.4 and down > 0.15)
    patterns.draw(bottom)
    return figure


@dataclass(frozen=True)
class _Patterns:
    """Patterns side by side: so many in a row, each so many inches wide and high."""

    asked: AttentionFigure

    @property
    def columns(self) -> int:
        count = len(self.asked.cells)
        return 2 if count in (2, 4) else min(count, 3)

    @property
    def rows(self) -> int:
        return ceil(len(self.asked.cells) / self.columns)

    @property
    def side(self) -> float:
        """Inches of a pattern: room for each token, as long as a row is not too wide."""
        room = _WIDEST / self.columns - _LABELS
        return min(max(_CELL * len(self.asked.report.tokens), 2.6), room, 8.0)

    @property
    def width(self) -> float:
        beside = _BESIDE if self.columns == 1 and not self.asked.look.keys_down else 0.0
        return self.columns * (self.side + _LABELS) + beside + 1.0

    @property
    def height(self) -> float:
        lines = max(title.count("\n") + 1 for title in self.titles)
        return self.rows * (self.side + _LABELS + _LINE * lines) + 0.4

    @property
    def titles(self) -> list[str]:
        """Each head and the word for it, and its figures: one, or all where there is room."""
        names = [self.asked.metric, *(name for name in METRICS if name != self.asked.metric)]
        names = names[:1] if self.asked.with_all_heads else names
        by_name = {report.head: report for report in self.asked.report.heads}
        wide = round(self.side * _LETTERS)
        return [_title(by_name[head], names, wide) for head in self.asked.cells]

    def draw(self, figure: "Figure | SubFigure") -> None:
        """Draw every pattern, its head's figures above it, and how to read them below."""
        asked, look = self.asked, self.asked.look
        tokens = [token.text for token in asked.report.tokens]
        grid = list(figure.subplots(self.rows, self.columns, squeeze=False).flat)
        limit = 1.0 if look.are_shares else _largest(asked.cells.values())
        used = grid[: len(asked.cells)]
        for axes, cells, title in zip(used, asked.cells.values(), self.titles, strict=True):
            image = draw_pattern(axes, cells, tokens, look, self.side * _POINTS, limit)
            axes.set_title(title, fontsize=9, color=INK, loc="left", parse_math=False)
        for axes in grid[len(used) :]:
            axes.set_axis_off()
        if len(used) == 1 and not look.keys_down:
            name_rows(used[0], [expectation(token.predicts) for token in asked.report.tokens])
        if image is not None:
            explain_colours(used, image, look)
        reading = look.reading(next(iter(asked.cells.values())))
        shown = textwrap.fill(reading, round(self.width * _LETTERS))
        figure.supxlabel(shown, fontsize=9, color=INK)


def _draw_grid(axes: "Axes", asked: AttentionFigure, aspect: float, has_numbers: bool) -> None:
    """Draw all heads, layers down and heads across, bright where the ranking begins."""
    config, metric = asked.report.config, METRICS[asked.metric]
    values = np.array(
        [_number(one.metrics[asked.metric]) for one in asked.report.heads], dtype=np.float64
    ).reshape(config.n_layer, config.n_head)
    image = axes.imshow(
        np.ma.masked_invalid(values),
        cmap="viridis_r" if metric.lowest_first else "viridis",
        interpolation="none",
        aspect=aspect,
    )
    axes.set_anchor("W")
    for layer, head in np.ndindex(values.shape) if has_numbers else ():
        value = values[layer, head]
        red, green, blue, _ = map(int, image.to_rgba(value, bytes=True))
        ink = "black" if ink_on((red, green, blue)) == (0, 0, 0) else "white"
        shown = f"{value:z.2f}" if np.isfinite(value) else "-"
        axes.text(head, layer, shown, ha="center", va="center", fontsize=7.5, color=ink)
    name = asked.metric.replace("_", " ")
    title = f"{name.capitalize()} of every head: {metric.about}"
    axes.set_title(title, fontsize=10, color=INK, loc="left")
    axes.set_xticks(_some(config.n_head), [f"H{index}" for index in _some(config.n_head)])
    axes.set_yticks(_some(config.n_layer), [f"L{index}" for index in _some(config.n_layer)])
    axes.tick_params(colors=INK, labelsize=8, length=0)
    bar = axes.figure.colorbar(image, cax=axes.inset_axes((1.02, 0, 0.025, 1)))
    bar.set_label(f"{name} ({metric.unit})" if metric.unit else name, color=INK, fontsize=9)
    bar.ax.tick_params(colors=INK, labelsize=8)
    for edge in (*axes.spines.values(), bar.outline):
        edge.set(edgecolor=INK, linewidth=0.5)


def _headline(report: AttentionReport) -> str:
    """The model, and the text that it read."""
    text = clipped("".join(token.text for token in report.tokens), _QUOTED)
    quoted = " ".join(map(drawable, text.split(" ")))
    model = drawable_words(report.directory.as_posix())
    return f'{model}, reading {counted(len(report.tokens), "token")}: "{quoted}"'


def _title(report: HeadReport, names: Sequence[str], width: int) -> str:
    """``L0.H3 (previous token)`` and these metrics of it."""
    kind = kind_of(report.metrics)
    figures = ", ".join(
        f"{name.replace('_', ' ')} {measured.value:z.2f} {METRICS[name].unit}".strip()
        for name, measured in ((name, report.metrics[name]) for name in names)
        if measured.value is not None
    )
    head = f"{report.head} ({kind})" if kind else str(report.head)
    return "\n".join([head, *textwrap.wrap(figures, width)])


def _largest(cells: Iterable[Cells]) -> float:
    """The largest absolute value of all cells that are not masked."""
    found = [np.abs(one[np.isfinite(one)]).max(initial=0.0) for one in cells]
    return float(max(found)) or 1.0


def _number(measured: Measured) -> float:
    return float("nan") if measured.value is None else measured.value


def _some(count: int) -> range:
    """All of a few layers or heads, or every so many of them."""
    return range(0, count, ceil(count / 32))
