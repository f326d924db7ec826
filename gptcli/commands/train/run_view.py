"""What a person sees of a training run: the plan, the progress, the result."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from gptcli.accounting.flops import sequence_flops
from gptcli.accounting.parameters import exact_count
from gptcli.checkpoint.resume import Progress as RunProgress
from gptcli.commands.train.preflight_view import memory_line
from gptcli.commands.view.answer import Answer
from gptcli.commands.view.numbers import duration, rounded
from gptcli.commands.view.panel import TrainingPanel
from gptcli.commands.view.run_status import STOPPING, RunStatus
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
from gptcli.families.registry import family_of
from gptcli.runtime.signals import StopRequest
from gptcli.training.estimate import estimate_seconds
from gptcli.training.matrix_peak import matrix_peak
from gptcli.training.preflight import epochs, preflight
from gptcli.training.recipe import CPU_SECONDS
from gptcli.training.reporter import Activity, EvaluationReport, Reporter, StepReport
from gptcli.training.short_sample import short_sample
from gptcli.training.training_run import TrainingRun

_QUIET_SECONDS = 15.0
_SAMPLING = 0.005  # of the time since the last sample
_NO_SAMPLE_BELOW = 120.0  # seconds of --time-budget
_SIZES = ("n_layer", "n_head", "n_embd", "block_size", "batch_size", "grad_accum", "max_iters")


def announce(
    training: TrainingRun, preset: str | None, given: Mapping[str, Any], stop: StopRequest
) -> float | None:
    """Tell the user the size of the run and about how long it will take; returns the seconds."""
    model, config = training.model, training.config
    costs = preflight(model.config, config, training.dataset)
    about = "about " if training.plan else ""
    note(
        f"run: {training.name}: {costs.n_params:,} parameters, {costs.tokens_per_iter:,} tokens "
        f"per step, {about}{counted(config.max_iters, 'step')} = {costs.epochs:,.1f} epochs"
    )
    note(memory_line(costs))
    if not config.max_iters:
        note("--max-iters 0: the model is saved as it is, without training")
        return None
    if training.progress.step >= config.max_iters:
        note(f"already at step {training.progress.step:,}: --max-iters N continues to step N")
        return None
    if training.plan is not None:
        seconds = training.plan.budget.seconds
        note(f"time: {duration(seconds)}, with as many steps as fit (--time-budget)")
        return None
    if verbosity().quiet:
        return None
    seconds = estimate_seconds(training, stop)
    is_resumed = training.place.is_in_place  # its size and length were chosen before
    hint = "" if is_resumed else _hint(seconds, config.device, preset, given)
    note(f"estimated time: about {duration(seconds)}{hint}")
    return seconds


def title_of(training: TrainingRun) -> str:
    """The run and its model: ``input: nanochat 2.7M, 6 layers, 6 heads, 192 wide``."""
    model = training.model.config
    sizes = f"{counted(model.n_layer, 'layer')}, {counted(model.n_head, 'head')}"
    family = f"{family_of(model).name} {rounded(exact_count(model))}"
    return f"{training.place.path.name}: {family}, {sizes}, {model.n_embd:,} wide"


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
    line = f"{run}: {best}, {counted(progress.step, 'step')}, {duration(seconds)}"
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


def _seen_in_the_panel() -> None:
    """A panel shows by itself that a signal was heard; another line would break it."""


class RunView(Reporter):
    """A panel on a terminal, a line now and then elsewhere; a line for each evaluation."""

    def __init__(
        self, training: TrainingRun, stop: StopRequest, estimate: float | None = None
    ) -> None:
        config, model, progress = training.config, training.model.config, training.progress
        self._training, self._stop = training, stop
        self._has_said_short = False
        self._started = self._last_line = self._last_sample = time.perf_counter()
        self._status = RunStatus(
            training.title,
            config,
            config.rows_per_iter * model.block_size,
            progress.step,
            stop,
            estimate,
            None if training.plan is None else training.plan.budget,
        )
        if progress.best_step:
            self._status.best_loss, self._status.best_step = progress.best_loss, progress.best_step
        flops = config.rows_per_iter * sequence_flops(model, model.block_size).training_causal
        self._panel = TrainingPanel(
            self._status, flops, lambda: matrix_peak(config.device, config.precision)
        )

    @property
    def seconds(self) -> float:
        """Seconds since the view was made."""
        return time.perf_counter() - self._started

    def __enter__(self) -> "RunView":
        self._heard = self._stop.heard
        if self._panel.is_shown:
            self._stop.heard = _seen_in_the_panel
        self._panel.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._panel.stop()
        self._stop.heard = self._heard

    def doing(self, activity: Activity) -> None:
        """Show what is done from now on."""
        self._status.doing(activity)

    def advanced(self, step: int) -> None:
        """Show that a step was done."""
        self._status.advanced(step)
        self._now_and_then(self._line)

    def stepped(self, report: StepReport) -> None:
        """Show the figures of some steps."""
        self._status.stepped(report)

    def evaluating(self, split: str, done: int, total: int) -> None:
        """Show how far an evaluation is."""
        self._status.evaluating(split, done, total)
        self._now_and_then(lambda: f"{self._where()}  {self._status.activity}")

    def evaluated(self, report: EvaluationReport) -> None:
        """Print a line, and have a sample written for the panel."""
        self._status.evaluated(report)
        val = "-" if report.val_loss is None else f"{report.val_loss:.4f}"
        best = "  (best so far)" if report.is_best and report.step else ""
        line = f"step {report.step:,}: train loss {report.train_loss:.4f}, val loss {val}{best}"
        self._say(line)
        if self._panel.is_shown:
            self._sample(report.step)

    def _say(self, line: str) -> None:
        if self._panel.is_shown:
            self._panel.say(line)
        else:
            note(line)

    def planned(self, step: int, config: TrainConfig) -> None:
        """Say how many steps fit into the time."""
        self._status.config = config
        plan = self._training.plan
        assert plan is not None, "only a run that keeps a time is planned"
        if plan.is_cut_short(config) and not self._has_said_short:
            self._has_said_short = True
            self._status.budget = None  # it ends by its steps
            ends = duration(plan.ends_after(step, config))
            n_epochs = epochs(self._training.model.config, config, self._training.dataset)
            self._say(
                f"the text is small: {config.max_iters:,} steps = {n_epochs:,.0f} "
                f"epochs are enough; the run ends after about {ends}"
            )
        detail(f"step {step:,}: {config.max_iters:,} steps end in time")

    def warned(self, message: str) -> None:
        """Warn of something that does not stop the training."""
        warn(message)

    def saved(self, step: int) -> None:
        """Take note of how long evaluation and save took."""
        self._status.saved()

    def _sample(self, step: int) -> None:
        """Show what the model writes, if that takes a small share of the time since the last."""
        budget, now = self._status.budget, time.perf_counter()
        is_short = budget is not None and budget.seconds < _NO_SAMPLE_BELOW
        if not step or is_short:
            return
        self._status.sampling()
        seconds = _SAMPLING * (now - self._last_sample)
        self._status.sampled(short_sample(self._training, seconds, self._stop))
        self._last_sample = time.perf_counter()

    def _now_and_then(self, line: Callable[[], str]) -> None:
        """Print a line, without a panel and some time after the last one."""
        now = time.perf_counter()
        if not self._panel.is_shown and now - self._last_line > _QUIET_SECONDS:
            self._last_line = now
            note(line())

    def _where(self) -> str:
        return f"step {self._status.step:,}/{self._status.total:,}"

    def _line(self) -> str:
        """Step, figures and time left; the figures are those of the last line of the log."""
        last, pace = self._status.last, self._status.tokens_per_second
        parts = [self._where()]
        parts += [] if last is None else [f"loss {last.loss:.4f}"]
        parts += [] if pace is None else [f"{pace:,.0f} tokens/s"]
        parts += [] if last is None else [f"gradient {last.grad_norm:.2f}", f"lr {last.lr:.2g}"]
        return "  ".join([*parts, self._status.time_left])
