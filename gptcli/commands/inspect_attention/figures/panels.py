"""What stands in a figure: heads of one report, or of several readings side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import ceil

import numpy as np

from gptcli.commands.inspect_attention.command import InspectRequest
from gptcli.commands.inspect_attention.figures.figure import AttentionFigure, HeadGrid, Panel
from gptcli.commands.inspect_attention.figures.pattern_axes import Cells, Look, Places
from gptcli.commands.inspect_attention.heatmap import expectation
from gptcli.commands.view.canvas import clipped
from gptcli.commands.view.pages import visible_words
from gptcli.config.checks import counted
from gptcli.inspection.excerpt import Excerpt
from gptcli.inspection.head_kinds import kind_of
from gptcli.inspection.heads import Head
from gptcli.inspection.measures import Measured
from gptcli.inspection.metrics import METRICS
from gptcli.inspection.patterns import Patterns, head_patterns
from gptcli.inspection.readings import Comparison, Reading, have_same_tokens
from gptcli.inspection.report import AttentionReport
from gptcli.inspection.stage_names import UNMASKED, Stage

MULTIPLES = 6  # heads whose patterns stand below the grid of all heads
COMPARED = 2  # heads that are compared where none are named
MOST_CELLS = 512  # of a pattern in a row; longer texts are pooled
_QUOTED = 90  # letters of the text in the title


def look_of(request: InspectRequest) -> Look:
    """How the flags say that patterns are drawn."""
    return Look(stage=request.shown_stage, keys_down=request.keys == "down", in_dots=request.dots)


def heads_figure(
    report: AttentionReport,
    patterns: Patterns,
    look: Look,
    metric: str,
    with_all_heads: bool = False,
) -> AttentionFigure:
    """The patterns of some heads; below all heads by ``metric``, their other figures left out."""
    names = [metric] if with_all_heads else [metric, *(one for one in METRICS if one != metric)]
    metrics = {one.head: one.metrics for one in report.heads}
    expected = [expectation(token) for token in report.tokens]
    beside = expected if len(patterns) == 1 and not look.keys_down else ()
    panels = [
        Panel(
            f"{_named(head, metrics[head])}\n{_figures(metrics[head], names)}",
            _masked(pattern.double().numpy(), look.stage),
            _places(report, len(pattern)),
            look,
            beside,
        )
        for head, pattern in patterns.items()
    ]
    grid = HeadGrid(report, metric) if with_all_heads else None
    count = len(panels)
    columns = 2 if count in (2, 4) else min(count, 3)
    title = f"{report.directory.as_posix()}, reading {_quoted(report)}"
    return AttentionFigure(title, panels, columns, grid)


def comparison_figure(comparison: Comparison, heads: Sequence[Head], look: Look) -> AttentionFigure:
    """A row for each head: its pattern in every reading, then what changed from the first.

    Changes are there for readings of the same tokens.
    """
    first, *others = comparison.readings
    patterns = [
        head_patterns(
            one.loaded.model,
            one.recording,
            heads,
            look.stage,
            Excerpt(0, len(one.recording.ids)).pooled(MOST_CELLS),
        )
        for one in comparison.readings
    ]
    panels = list[Panel]()
    for head in heads:
        cells = [_masked(pattern[head].double().numpy(), look.stage) for pattern in patterns]
        panels += map(partial(_panel, head, "", look), comparison.readings, cells)
        panels += [
            _panel(head, "change, ", replace(look, is_change=True), other, other_cells - cells[0])
            for other, other_cells in zip(others, cells[1:], strict=True)
            if have_same_tokens(first, other)
        ]
    title = (
        f"{len(patterns)} models, reading {_quoted(first.report)}"
        if all(have_same_tokens(first, other) for other in others)
        else f"{first.report.directory.as_posix()}, reading {len(patterns)} texts"
    )
    return AttentionFigure(title, panels, len(panels) // len(heads))


def _masked(cells: Cells, stage: Stage) -> Cells:
    """The cells of a pattern, with NaN on the future where it is masked: no zeros or -inf."""
    cells = cells.copy()
    if stage not in UNMASKED:
        cells[np.triu_indices(len(cells), 1)] = np.nan
    return cells


def _panel(head: Head, what: str, look: Look, reading: Reading, cells: Cells) -> Panel:
    report = reading.report
    metrics = next(one.metrics for one in report.heads if one.head == head)
    name = str(head) if look.is_change else _named(head, metrics)
    title = f"{name}: {what}{visible_words(reading.name)}"
    return Panel(title, cells, _places(report, len(cells)), look)


def _places(report: AttentionReport, n_cells: int) -> Places:
    """The first tokens of the cells that a report's tokens are pooled to."""
    cell = ceil(len(report.tokens) / n_cells)
    return Places([token.text for token in report.tokens[::cell]], report.first, cell)


def _quoted(report: AttentionReport) -> str:
    """``7 tokens: "a text"``, its beginning, and what else the metrics count."""
    text = clipped("".join(token.text for token in report.tokens), _QUOTED)
    read = counted(len(report.tokens), "token")
    place = f" from {report.first:,} on" if report.first else ""
    more = f"; metrics are means over {report.n_samples} windows" if report.n_samples > 1 else ""
    return f'{read}{place}: "{visible_words(text)}"{more}'


def _named(head: Head, metrics: Mapping[str, Measured]) -> str:
    """``L0.H3, previous token``."""
    kind = kind_of(metrics)
    return f"{head}, {kind}" if kind else str(head)


def _figures(metrics: Mapping[str, Measured], names: Sequence[str]) -> str:
    """``entropy 2.27 bits, self 0.21``."""
    return ", ".join(
        f"{name.replace('_', ' ')} {metrics[name].value:z.2f} {METRICS[name].unit}".strip()
        for name in names
        if metrics[name].value is not None
    )
