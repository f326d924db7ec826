"""What a person sees of a training run: the plan, the progress, the result."""

import time
from collections.abc import Mapping
from typing import Any

from gptcli.accounting.parameters import exact_count
from gptcli.checkpoint.resume import Progress as RunProgress
from gptcli.commands.view.answer import Answer
from gptcli.commands.view.numbers import duration, rounded
from gptcli.commands.view.progress_bar import StepBar
from gptcli.commands.view.tables import Cell, Figure, facts
from gptcli.commands.view.terminal import (
    detail,
    escape_controls,
    note,
    note_at_once,
    verbosity,
    warn,
)
from gptcli.config.checks import counted, flag
from gptcli.config.training import TrainConfig
from gptcli.data.dataset import Dataset
from gptcli.families.registry import family_of
from gptcli.runtime.signals import StopRequest
from gptcli.training.defaults import CPU_SECONDS
from gptcli.training.estimate import estimate_seconds
from gptcli.training.loop import TrainingRun
from gptcli.training.reporter import EvaluationReport, Reporter, StepReport

_QUIET_SECONDS = 15.0
STOPPING = "stopping; Ctrl-C again ends at once"
_SIZES = ("n_layer", "n_head", "n_embd", "block_size", "batch_size", "grad_accum", "max_iters")


def announce(
    training: TrainingRun, preset: str | None, given: Mapping[str, Any], stop: StopRequest
) -> None:
    """Tell the user the size of the run and about how long it will take."""
    model, config, dataset = training.model, training.config, training.dataset
    n_params = sum(parameter.numel() for parameter in model.parameters())
    tokens = config.rows_per_iter * model.config.block_size
    epochs = config.max_iters * config.rows_per_iter / _windows(dataset, model.config.block_size)
    note(
        f"run: {training.name}: {n_params:,} parameters, "
        f"{tokens:,} tokens per step, {config.max_iters:,} steps = {epochs:.1f} epochs"
    )
    if not config.max_iters:
        note("--max-iters 0: the model is saved as it is, without training")
        return
    if training.progress.step >= config.max_iters:
        note(f"already at step {training.progress.step:,}: --max-iters N continues to step N")
        return
    if training.plan is not None:
        seconds = training.plan.budget.seconds
        note(f"time: {duration(seconds)}, with as many steps as fit (--time-budget)")
        return
    if verbosity().quiet:
        return
    seconds = estimate_seconds(training, stop)
    note(f"estimated time: about {duration(seconds)}{_hint(seconds, config.device, preset, given)}")


def title_of(training: TrainingRun) -> str:
    """The run and its model: ``input: nanochat 2.7M, 6 layers, 6 heads, 192 wide``."""
    model = training.model.config
    sizes = f"{counted(model.n_layer, 'layer')}, {counted(model.n_head, 'head')}"
    family = f"{family_of(model).name} {rounded(exact_count(model))}"
    return f"{training.place.path.name}: {family}, {sizes}, {model.n_embd:,} wide"


def _windows(dataset: Dataset, block_size: int) -> float:
    """The number of rows in one epoch."""
    if dataset.record.is_masked:
        return len(dataset.train.windows(block_size).starts)
    return dataset.train.n_tokens / block_size


def _hint(seconds: float, device: str, preset: str | None, given: Mapping[str, Any]) -> str:
    if device != "cpu" or seconds < 3 * CPU_SECONDS:
        return ""
    if not preset and "max_iters" not in given:
        return f" (planned for {duration(CPU_SECONDS)}: is this CPU slow, or busy with other work?)"
    sizes = [flag(name) for name in _SIZES if name in given]
    cause = f"--preset {preset}" if preset else ", ".join(sizes)
    return (
        f" on this CPU; without {cause} it would be about {duration(CPU_SECONDS)}" if cause else ""
    )


def result(training: TrainingRun, progress: RunProgress, seconds: float) -> Answer:
    """The result of a finished run."""
    run = training.name
    split = "val" if training.dataset.val.n_tokens > 1 else "train"
    best = f"best {split} loss {progress.best_loss:.4f} at step {progress.best_step:,}"
    line = f"{run}: {best}, {progress.step:,} steps, {duration(seconds)}"
    loss, seconds = progress.best_loss, round(seconds, 3)
    cells: dict[str, Cell] = {
        "run": run,
        "steps": progress.step,
        "best_step": progress.best_step,
        "measured_on": split,
        "best_loss": Figure.of(loss, ".4f"),
        "seconds": Figure(seconds, duration(seconds)),
    }
    document = {**cells, "best_loss": loss, "seconds": seconds}
    return Answer(
        "gptcli.train/1",
        lambda: document,
        (facts("", cells.items()),),
        drawing=lambda canvas: [escape_controls(line)],
        after=_suggest_next,
    )


def _suggest_next() -> None:
    note('next: gptcli eval; gptcli sample --prompt "..."; gptcli inspect-attention --text "..."')


def say_stopping() -> None:
    """Say that a signal was heard, as soon as it comes."""
    note_at_once(STOPPING)


class RunView(Reporter):
    """A moving bar on a terminal, a line now and then elsewhere; a line per evaluation."""

    def __init__(self, training: TrainingRun) -> None:
        self._total = training.config.max_iters
        self._first = training.progress.step
        self._started = self._last_line = self._pace_from = time.perf_counter()
        self._bar = StepBar(self._total, self._first)

    @property
    def seconds(self) -> float:
        """Seconds since the view was made."""
        return time.perf_counter() - self._started

    def __enter__(self) -> "RunView":
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def stepped(self, report: StepReport) -> None:
        """Move the bar; without one, print a line every now and then."""
        pace = f"loss {report.loss:.4f}  {report.tokens_per_second:,.0f} tokens/s"
        self._bar.move(report.step, pace)
        now = time.perf_counter()
        if not self._bar.is_shown and now - self._last_line > _QUIET_SECONDS:
            self._last_line = now
            done = report.step - self._first
            left = (now - self._pace_from) * (self._total - report.step) / done
            note(f"step {report.step:,}/{self._total:,}  {pace}  {duration(left)} left")

    def evaluating(self, split: str, done: int, total: int) -> None:
        """Show that an evaluation is under way."""
        self._bar.move(None, f"evaluating {split}, {done:,} of {total:,} tokens")

    def evaluated(self, report: EvaluationReport) -> None:
        """Print a line."""
        if report.step == self._first:
            self._pace_from = time.perf_counter()  # steps only, without what comes before them
        val = "-" if report.val_loss is None else f"{report.val_loss:.4f}"
        best = "  (best so far)" if report.is_best and report.step else ""
        self._bar.say(
            f"step {report.step:,}: train loss {report.train_loss:.4f}, val loss {val}{best}"
        )

    def planned(self, step: int, config: TrainConfig) -> None:
        """Say how many steps fit into the time."""
        self._total = config.max_iters
        self._bar.lengthen(config.max_iters)
        detail(f"step {step:,}: {config.max_iters:,} steps end in time")

    def warned(self, message: str) -> None:
        """Warn of something that does not stop the training."""
        warn(message)
