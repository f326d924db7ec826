"""Progress of long work: a moving bar on a terminal, a line now and then elsewhere."""

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from gptcli.commands.view.terminal import is_interactive, note, progress_console
from gptcli.runtime.progress import Advance

if TYPE_CHECKING:
    from rich.progress import Progress

_PATIENCE = 2.0  # seconds before anything is shown
_BETWEEN_LINES = 10.0
_NARROW = 60  # columns; below, numbers alone, which a bar would cut


@contextlib.contextmanager
def progress(label: str, total: int | None, unit: str) -> Iterator[Advance]:
    """A function to call with the number of units done since the last call.

    ``total`` is None where the number of units is unknown. Work of less than two seconds shows
    nothing. The rate of bytes is shown in MB.
    """
    shown = _Bar(label, total, unit) if is_interactive() else _Lines(label, total, unit)
    try:
        yield shown.advance
    finally:
        shown.close()


class _Lines:
    """Progress as lines, for logs."""

    def __init__(self, label: str, total: int | None, unit: str) -> None:
        self.label, self.unit = label, unit
        self.total = None if total is None else max(total, 1)
        self.done = 0
        self.begun = time.monotonic()
        self.next_line = self.begun + _PATIENCE

    def advance(self, count: int) -> None:
        self.done += count
        now = time.monotonic()
        if now >= self.next_line and (self.total is None or self.done < self.total):
            rate = self.done / (now - self.begun)
            note(f"{self.label}: {self._state(rate)}")
            self.next_line = now + _BETWEEN_LINES

    def _state(self, rate: float) -> str:
        speed = _rate(rate, self.unit)
        if self.total is None:
            return f"{_amount(self.done, self.unit)}, {speed}"
        left = (self.total - self.done) / max(rate, 1e-9)
        return f"{self.done / self.total:.0%}, {speed}, {left:,.0f} s left"

    def close(self) -> None:
        pass


class _Bar:
    """Progress as a bar, for terminals."""

    def __init__(self, label: str, total: int | None, unit: str) -> None:
        self.label, self.total, self.unit = label, total, unit
        self.done = 0
        self.begun = time.monotonic()
        self.bar: Progress | None = None

    def advance(self, count: int) -> None:
        self.done += count
        elapsed = time.monotonic() - self.begun
        if self.bar is None and elapsed >= _PATIENCE:
            self.bar = self._open()
        if self.bar is not None:
            rate = _rate(self.done / elapsed, self.unit)
            self.bar.update(self.bar.task_ids[0], completed=self.done, rate=rate)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.stop()

    def _open(self) -> "Progress":
        from rich.progress import (  # noqa: PLC0415  slow
            BarColumn,
            Progress,
            TaskProgressColumn,
            TextColumn,
            TimeRemainingColumn,
        )

        console = progress_console()
        label = TextColumn("{task.description}", markup=False)
        share, rate = TaskProgressColumn(), TextColumn("{task.fields[rate]}", markup=False)
        wide = (label, BarColumn(), share, rate, TimeRemainingColumn())
        columns = wide if console.width >= _NARROW else (label, share, rate)
        bar = Progress(*columns, console=console, transient=True)
        bar.add_task(self.label, total=self.total, rate="")
        bar.start()
        return bar


def _rate(per_second: float, unit: str) -> str:
    return f"{_amount(per_second, unit)}/s"


def _amount(count: float, unit: str) -> str:
    return f"{count / 1e6:,.1f} MB" if unit == "bytes" else f"{count:,.0f} {unit}"
