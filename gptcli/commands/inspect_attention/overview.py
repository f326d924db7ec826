"""What inspect-attention shows: a grid of all heads, a ranked table, and chosen heads in full."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.text import Text

from gptcli.commands.inspect_attention.heatmap import draw_rows, legend, plan, sentences
from gptcli.commands.view.drawing import quoted
from gptcli.commands.view.legacy import Page
from gptcli.commands.view.terminal import escape_controls
from gptcli.inspection.metrics import METRICS, Measured
from gptcli.inspection.report import AttentionReport, HeadReport, Link, Patterns, ranked
from gptcli.inspection.window import window_rows

_RANKED = 10
_LINKS = 5
_NONE = "-"


@dataclass(frozen=True)
class View:
    """What to show: all heads by ``metric``, ranked by ``sort``, those in ``patterns`` in full.

    ``why`` says how these were chosen.
    """

    report: AttentionReport
    patterns: Patterns
    metric: str
    sort: str
    why: str


def draw(view: View, page: Page) -> Iterator[Text]:
    """The whole view, line by line."""
    report = view.report
    yield from page.words(
        f"{escape_controls(report.directory.as_posix())}: {report.config.n_layer} layers of "
        f"{report.config.n_head} heads, looking at {len(report.tokens)} tokens"
    )
    yield from _grid(page, view)
    yield from _ranking(page, view)
    yield from _chosen_heads(page, view)
    yield from _check(page, report)


def _grid(page: Page, view: View) -> Iterator[Text]:
    """Layers down, heads across, in as many bands as the width asks for."""
    metric = METRICS[view.metric]
    values = [head.metrics[view.metric].value or 0.0 for head in view.report.heads]
    cells = [_figure(head.metrics[view.metric]) for head in view.report.heads]
    largest = max(max(values), 1e-12)
    n_head, n_layer = view.report.config.n_head, view.report.config.n_layer
    label_width = len(f"L{n_layer - 1} ")
    width = max(*map(len, cells), len(f"H{n_head - 1}")) + 2
    per_band = max((page.width - label_width) // width, 1)
    yield from page.heading(
        f"{_title(view.metric)} of every head: {metric.about}{_in(metric.unit)}"
    )
    for first in range(0, n_head, per_band):
        band = range(first, min(first + per_band, n_head))
        yield Text(
            " " * label_width + "".join(f"H{index}".rjust(width - 1) + " " for index in band)
        )
        for layer in range(n_layer):
            line = Text(f"L{layer}".ljust(label_width))
            for place in (layer * n_head + index for index in band):
                line.append(f" {cells[place]:>{width - 2}} ", page.ink(values[place] / largest))
            yield line
    if page.in_colour:
        yield from page.words(f"dark is 0, bright is {largest:.2f} {metric.unit}".rstrip())


def _ranking(page: Page, view: View) -> Iterator[Text]:
    """The first heads by the metric asked for, with as many other metrics as fit."""
    order = "lowest" if METRICS[view.sort].lowest_first else "highest"
    heads = ranked(view.report.heads, view.sort)[:_RANKED]
    total = len(view.report.heads)
    count = f"{len(heads)} of {total} heads" if total > len(heads) else "Heads"
    yield from page.heading(f"{count} by {_words(view.sort)}, {order} first")
    names = [view.sort, *(name for name in METRICS if name != view.sort)]
    columns = [["", "head", *(str(head.head) for head in heads)]]
    columns += [
        [*_two_lines(name), *(_figure(head.metrics[name]) for head in heads)] for name in names
    ]
    widths = [max(map(len, column)) for column in columns]
    while len(columns) > 2 and sum(widths) + 2 * (len(widths) - 1) > page.width:
        columns.pop(), widths.pop()
    for number, row in enumerate(zip(*columns, strict=True)):
        cells = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        yield Text("  ".join(cells), page.style("dim" if number < 2 else "none"))


def _chosen_heads(page: Page, view: View) -> Iterator[Text]:
    tokens = view.report.tokens
    by_name = {report.head: report for report in view.report.heads}
    layout = plan(page, tokens)
    for head, pattern in view.patterns.items():
        yield from page.heading(f"Head {head}{view.why}")
        yield from page.words(_summary(by_name[head]))
        yield from draw_rows(page, layout, tokens, window_rows(pattern, layout.window))
        yield from _links(page, view.report, by_name[head].links)
    yield Text()
    yield from legend(page, layout)
    if not layout.beside:
        yield from sentences(page, tokens)


def _links(page: Page, report: AttentionReport, links: Sequence[Link]) -> Iterator[Text]:
    for link in links[:_LINKS]:
        query, key = (quoted(report.tokens[place].text) for place in (link.query, link.key))
        place = "itself" if link.key == link.query else f"token {link.key} {key}"
        yield from page.words(f"token {link.query} {query} looks at {place} with {link.weight:.0%}")


def _check(page: Page, report: AttentionReport) -> Iterator[Text]:
    check = report.check
    yield Text()
    yield from page.words(
        f"Checked: explicit attention is within {check.fused_max_error:.1e} of the model's own, "
        f"rows sum to 1 within {check.row_sum_max_error:.1e}, "
        f"weight on the future is at most {check.future_mass_max:g}.",
        "dim",
    )


def _summary(report: HeadReport) -> str:
    return ", ".join(
        f"{_words(name)} {_figure(report.metrics[name])} {metric.unit}".rstrip()
        for name, metric in METRICS.items()
    )


def _figure(measured: Measured) -> str:
    return _NONE if measured.value is None else f"{measured.value:z.2f}"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _in(unit: str) -> str:
    return f", in {unit}" if unit else ""


def _title(name: str) -> str:
    return _words(name).capitalize()


def _two_lines(name: str) -> tuple[str, str]:
    first, _, second = name.rpartition("_")
    return first, second
