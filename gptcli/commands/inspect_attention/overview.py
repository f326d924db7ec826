"""What inspect-attention shows: a grid of all heads, a ranked table, and chosen heads in full."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from rich.text import Text

from gptcli.commands.inspect_attention.cells import WEIGHTS, Scale
from gptcli.commands.inspect_attention.heatmap import draw_rows, legend, plan, sentences
from gptcli.commands.inspect_attention.views.focus import token_name
from gptcli.commands.inspect_attention.views.groups_view import GroupsOf, summary
from gptcli.commands.view.canvas import Canvas
from gptcli.commands.view.drawing import SECONDARY, heading, shade, words
from gptcli.commands.view.table_layout import to_text
from gptcli.commands.view.tables import Cell, Figure, Table
from gptcli.commands.view.terminal import escape_controls
from gptcli.config.checks import counted
from gptcli.inspection.head_kinds import kind_of
from gptcli.inspection.links import Link
from gptcli.inspection.measures import Measured
from gptcli.inspection.metrics import METRICS
from gptcli.inspection.patterns import Patterns
from gptcli.inspection.report import AttentionReport, HeadReport, Token, ranked
from gptcli.inspection.stage_names import DEFAULT_STAGE, STAGES, Stage
from gptcli.inspection.window import window_rows

_RANKED = 10
_LINKS = 5
_SUMMARISED = 3  # heads that look for one group of characters most
_NONE = "-"


@dataclass(frozen=True)
class Overview:
    """What to show: all heads by ``metric``, ranked by ``sort``, those in ``patterns`` in full.

    ``why`` tells how the latter were chosen. ``groups`` is there where tokens are characters.
    """

    report: AttentionReport
    patterns: Patterns
    metric: str
    sort: str
    why: str
    stage: Stage = DEFAULT_STAGE
    groups: GroupsOf | None = None


def draw_overview(overview: Overview, canvas: Canvas) -> Iterator[Text | str]:
    """The whole overview, line by line."""
    report = overview.report
    yield from words(
        canvas,
        f"{escape_controls(report.directory.as_posix())}: "
        f"{counted(report.config.n_layer, 'layer')} of {counted(report.config.n_head, 'head')}, "
        f"reading {_read(report)}",
    )
    yield from _grid(canvas, overview)
    heads = report.heads
    table = ranking_table(ranked(heads, overview.sort)[:_RANKED], len(heads), overview.sort)
    yield ""
    yield to_text([table], canvas.width, canvas.in_colour).rstrip("\n")
    if overview.groups is not None:
        yield from summary(canvas, overview.groups, _SUMMARISED)
    yield from _chosen_heads(canvas, overview)
    yield from _check(canvas, report)


def _read(report: AttentionReport) -> str:
    """``20 tokens``, ``20 tokens from 1,000 on``, or the first of several windows."""
    tokens = counted(len(report.tokens), "token")
    if report.n_samples > 1:
        return f"{report.n_samples} windows of {tokens}; tokens are those of the first"
    return f"{tokens} from {report.first:,} on" if report.first else tokens


def _grid(canvas: Canvas, overview: Overview) -> Iterator[Text]:
    """The grid of all heads, layers down and heads across, in as many bands as needed."""
    metric = METRICS[overview.metric]
    measured = [head.metrics[overview.metric] for head in overview.report.heads]
    cells = [_number(one) for one in measured]
    values = [one.value or 0.0 for one in measured]
    bright, dark = (min(values), max(values)) if metric.lowest_first else (max(values), 0.0)
    n_head, n_layer = overview.report.config.n_head, overview.report.config.n_layer
    label_width = len(f"L{n_layer - 1} ")
    width = max(*map(len, cells), len(f"H{n_head - 1}")) + 2
    per_band = max((canvas.width - label_width) // width, 1)
    yield from heading(
        canvas, f"{_title(overview.metric)} of every head: {metric.about}{_in(metric.unit)}"
    )
    for first in range(0, n_head, per_band):
        band = range(first, min(first + per_band, n_head))
        yield Text(
            " " * label_width + "".join(f"H{index}".rjust(width - 1) + " " for index in band)
        )
        for layer in range(n_layer):
            line = Text(f"L{layer}".ljust(label_width))
            for place in (layer * n_head + index for index in band):
                share = (values[place] - dark) / ((bright - dark) or 1.0)
                line.append(f" {cells[place]:>{width - 2}} ", shade(canvas, share))
            yield line
    if canvas.has_scale:
        ends = (f"{value:z.2f} {metric.unit}".rstrip() for value in (bright, dark))
        yield from words(canvas, "Bright is {}, dark is {}.".format(*ends))


def ranking_table(heads: Sequence[HeadReport], n_heads: int, metric: str) -> Table:
    """The ranked heads with all metrics and a word for each; ``metric`` is the first column."""
    order = "lowest" if METRICS[metric].lowest_first else "highest"
    count = f"{len(heads)} of {n_heads} heads" if n_heads > len(heads) else "Heads"
    names = [metric, *(name for name in METRICS if name != metric)]
    columns = tuple(map(_spaced, names))
    rows: list[tuple[Cell, ...]] = [
        (
            str(one.head),
            *(_figure(one.metrics[name]) for name in names),
            kind_of(one.metrics) or "",
        )
        for one in heads
    ]
    return Table(
        f"{count} by {_spaced(metric)}, {order} first",
        ("head", *columns, "kind"),
        tuple(rows),
        spare=columns[:0:-1],
        stacks=True,
    )


def _chosen_heads(canvas: Canvas, overview: Overview) -> Iterator[Text]:
    tokens = overview.report.tokens
    by_name = {report.head: report for report in overview.report.heads}
    scale = _scale(overview)
    layout = plan(canvas, tokens, scale)
    for head, pattern in overview.patterns.items():
        yield from heading(canvas, f"Head {head}{overview.why}")
        yield from words(canvas, _summary(by_name[head]))
        rows = window_rows(pattern, layout.window, overview.stage)
        yield from draw_rows(canvas, layout, tokens, rows, scale)
        yield from _links(canvas, tokens, by_name[head].links)
    yield Text()
    yield from legend(canvas, layout, scale, overview.stage)
    if not layout.beside:
        yield from sentences(canvas, tokens)


def _scale(overview: Overview) -> Scale:
    """What the cells of the chosen heads are."""
    if overview.stage == DEFAULT_STAGE:
        return WEIGHTS
    values = (pattern.flatten().tolist() for pattern in overview.patterns.values())
    return Scale.of(STAGES[overview.stage], chain.from_iterable(values))


def _links(canvas: Canvas, tokens: Sequence[Token], links: Sequence[Link]) -> Iterator[Text]:
    for link in links[:_LINKS]:
        query, key = (token_name(tokens, place) for place in (link.query, link.key))
        seen = "itself" if link.key == link.query else key
        yield from words(canvas, f"{query} looks at {seen} with {link.weight:.0%}")


def _check(canvas: Canvas, report: AttentionReport) -> Iterator[Text]:
    check = report.check
    yield Text()
    yield from words(
        canvas,
        f"Checked: explicit attention is within {check.fused_max_error:.1e} of the model's own, "
        f"rows sum to 1 within {check.row_sum_max_error:.1e}, "
        f"weight on the future is at most {check.future_mass_max:g}.",
        SECONDARY,
    )


def _summary(report: HeadReport) -> str:
    return ", ".join(
        f"{_spaced(name)} {_number(report.metrics[name])} {metric.unit}".rstrip()
        for name, metric in METRICS.items()
        if report.metrics[name].value is not None
    )


def _figure(measured: Measured) -> Figure:
    return Figure(measured.value, _number(measured))


def _number(measured: Measured) -> str:
    return _NONE if measured.value is None else f"{measured.value:z.2f}"


def _spaced(name: str) -> str:
    return name.replace("_", " ")


def _in(unit: str) -> str:
    return f", in {unit}" if unit else ""


def _title(name: str) -> str:
    return _spaced(name).capitalize()
