"""The live panel of a training run on a terminal, in a narrow or low one a line."""

import math
from collections.abc import Callable, Iterator

from rich.console import Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from gptcli.commands.view.bars import sparkline
from gptcli.commands.view.canvas import clipped
from gptcli.commands.view.drawing import SECONDARY
from gptcli.commands.view.run_status import RunStatus
from gptcli.commands.view.terminal import (
    escape_controls,
    is_interactive,
    progress_console,
    verbosity,
)

_LEAST_WIDTH, _LEAST_HEIGHT = 61, 16
_WIDEST = 100
_A_SECOND = 4  # times that it is drawn
_SAMPLE_LINES = 4
_NOT_YET = "-"


class TrainingPanel:
    """Shows the status of a run; ``flops`` are those of a step, ``peak`` measures a second's.

    Where ``flops`` is None, as with rollouts, the device's utilization is not shown.
    """

    def __init__(
        self, status: RunStatus, flops: int | None, peak: Callable[[], float | None]
    ) -> None:
        self._status, self._flops = status, flops
        self.is_shown = is_interactive() and not verbosity().quiet
        self._peak = peak() if self.is_shown else None
        self._console = progress_console()
        self._live = Live(
            get_renderable=self.drawn,
            console=self._console,
            refresh_per_second=_A_SECOND,
            transient=True,
        )

    def start(self) -> None:
        """Show it, on a terminal."""
        if self.is_shown:
            self._live.start()

    def stop(self) -> None:
        """Remove it."""
        if self.is_shown:
            self._live.stop()

    def say(self, line: str) -> None:
        """Print a line above the panel."""
        self._console.print(line)

    def drawn(self) -> RenderableType:
        """The panel as it is now, or one line where there is little room."""
        console = self._console
        # A column stays free for the ^C that a terminal shows, or it would begin a new line.
        width = min(console.width - 3, _WIDEST)
        if console.width < _LEAST_WIDTH or console.height < _LEAST_HEIGHT:
            return Text(clipped(line_of(self._status), console.width - 3))
        parts = Group(*self._parts(width - 4))
        title = Text(escape_controls(self._status.title))
        return Panel(parts, title=title, title_align="left", width=width, border_style=SECONDARY)

    def _parts(self, width: int) -> Iterator[RenderableType]:
        status = self._status
        yield _progress(status)
        yield Text(
            status.activity, "bold" if status.stop else "", no_wrap=True, overflow="ellipsis"
        )
        yield self._figures()
        curve = sparkline(_learnt(status), width)
        if curve:
            yield Text(curve, "cyan")
        if status.sample:
            yield Text(f"sample of step {status.sample_step:,}", SECONDARY)
            yield _sample(status.sample)

    def _figures(self) -> Table:
        status, last = self._status, self._status.last
        values, rate = (last.values, last.lr) if last else ({}, None)
        name, evaluated = status.latest
        best = status.best
        table = Table.grid(padding=(0, 1), expand=True)
        for _ in range(3):
            table.add_column(style=SECONDARY, no_wrap=True)
            table.add_column(no_wrap=True)
        at = f" at {status.best_step:,}" if best is not None else ""
        table.add_row(
            status.judged_by, _figure(values.get(status.judged_by), ".4f"),
            name, _figure(evaluated, ".4f"),
            "best", _figure(best, ".4f") + at,
        )  # fmt: skip
        table.add_row(
            f"{status.unit}/s", _figure(status.units_per_second, ",.0f") + self._utilization(),
            "gradient norm", _figure(values.get("grad_norm"), ".2f"),
            "lr", _figure(rate, ".2g"),
        )  # fmt: skip
        return table

    def _utilization(self) -> str:
        """Model FLOPs utilization: the share of this device's measured peak (PaLM, appendix B)."""
        seconds = self._status.seconds_per_step
        if not seconds or self._flops is None:
            return ""
        share = self._flops / seconds / self._peak if self._peak else math.inf
        # More than all of it: the device was busy when it was measured.
        return f", MFU {share:.0%}" if share <= 1 else ", MFU unknown"


def line_of(status: RunStatus) -> str:
    """The status in a line of about 40 characters."""
    begin = f"{status.step:,}/{status.total:,}"
    if status.activity != "training":
        return f"{begin} {status.activity}"
    value = None if status.last is None else status.last.values.get(status.judged_by)
    figure = "" if value is None else f" {status.judged_by} {value:.4f}"
    return f"{begin}{figure} {status.time_left}"


def _progress(status: RunStatus) -> Table:
    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(no_wrap=True)
    table.add_column(ratio=1)
    table.add_column(no_wrap=True)
    bar = ProgressBar(total=max(status.total, 1), completed=status.step)
    table.add_row(f"step {status.step:,} of {status.total:,}", bar, status.time_left)
    return table


def _learnt(status: RunStatus) -> list[float]:
    """The figures after the warm-up, which would hide what follows; all until then."""
    course = status.course[:]  # the training adds to it meanwhile
    after = [value for step, value in course if step > status.config.warmup_iters]
    return after if len(after) > 1 else [value for _, value in course]


def _sample(text: str) -> Text:
    lines = escape_controls(text).strip("\n").split("\n")
    shown = [line for line in lines if line.strip()][:_SAMPLE_LINES]
    return Text("\n".join(shown), no_wrap=True, overflow="ellipsis")


def _figure(value: float | None, form: str) -> str:
    return _NOT_YET if value is None else format(value, form)
