"""What a person sees of a training run: the plan and the progress."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from gptcli.accounting.flops import sequence_flops
from gptcli.accounting.parameters import exact_count
from gptcli.commands.train.equal_answers import EqualAnswers
from gptcli.commands.train.preflight_view import memory_line
from gptcli.commands.view.numbers import duration, rounded
from gptcli.commands.view.panel import TrainingPanel
from gptcli.commands.view.run_status import STOPPING, RunStatus
from gptcli.commands.view.terminal import (
    detail,
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
from gptcli.training.recipe import CPU_SECONDS
from gptcli.training.reporter import Activity, EvaluationReport, Reporter, StepReport
from gptcli.training.short_sample import short_sample
from gptcli.training.training_run import TrainingRun

_QUIET_SECONDS = 15.0
_SAMPLING = 0.005  # of the time since the last sample
_NO_SAMPLE_BELOW = 120.0  # seconds of --time-budget
_IN_A_LINE = ("loss", "accuracy", "reward", "kl", "answer_tokens")
_SIZES = ("n_layer", "n_head", "n_embd", "block_size", "batch_size", "grad_accum", "max_iters")


def announce(
    training: TrainingRun, preset: str | None, given: Mapping[str, Any], stop: StopRequest
) -> float | None:
    """Tell the user the size of the run and about how long it will take; returns the seconds."""
    config = training.config
    costs = training.preflight()
    about = "about " if training.plan else ""
    note(
        f"run: {training.name}: {costs.n_params:,} parameters, {costs.per_iter:,} {training.unit} "
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
    if verbosity().quiet or training.world.is_sharded:  # to measure would take all processes
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
        config, progress, learnt = training.config, training.progress, training.objective
        self._training, self._stop = training, stop
        self._has_said_short = False
        self._equal_answers = EqualAnswers()
        self._started = self._last_line = self._last_sample = time.perf_counter()
        self._status = RunStatus(
            training.title,
            config,
            training.units_per_step,
            progress.step,
            stop,
            estimate,
            None if training.plan is None else training.plan.budget,
            training.unit,
            learnt.judged_by,
        )
        if progress.best_step and progress.best_loss is not None:
            self._status.best = learnt.judged(progress.best_loss)
            self._status.best_step = progress.best_step
        self._panel = TrainingPanel(
            self._status,
            _step_flops(training) if training.is_language_modeling else None,
            lambda: matrix_peak(config.device, config.precision),
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
        """Show the figures of some steps, and say once where they show that nothing is learnt."""
        self._status.stepped(report)
        if hint := self._equal_answers.note_after(report.values):
            self._say(hint)

    def evaluating(self, split: str, done: int, total: int) -> None:
        """Show how far an evaluation is."""
        self._status.evaluating(split, done, total)
        self._now_and_then(lambda: f"{self._where()}  {self._status.activity}")

    def evaluated(self, report: EvaluationReport) -> None:
        """Print a line, and have a sample written for the panel."""
        self._status.evaluated(report)
        best = "  (best so far)" if report.is_best and report.step else ""
        self._say(f"step {report.step:,}: {_figures(report.values)}{best}")
        if self._panel.is_shown and not self._training.model.config.score:
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
            n_epochs = self._training.preflight().epochs
            what = "text is small" if self._training.is_language_modeling else "pairs are few"
            self._say(
                f"the {what}: {config.max_iters:,} steps = {n_epochs:,.0f} "
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
        last, pace, unit = self._status.last, self._status.units_per_second, self._status.unit
        values: Mapping[str, float] = {} if last is None else last.values
        norm = values.get("grad_norm")
        parts = [self._where()]
        parts += [f"{_words(name)} {values[name]:.4f}" for name in _IN_A_LINE if name in values]
        parts += [] if pace is None else [f"{pace:,.0f} {unit}/s"]
        parts += [] if norm is None else [f"gradient {norm:.2f}"]
        parts += [] if last is None else [f"lr {last.lr:.2g}"]
        return "  ".join([*parts, self._status.time_left])


def _step_flops(training: TrainingRun) -> int:
    model = training.model.config
    row = sequence_flops(model, model.block_size).training_causal
    return training.config.rows_per_iter * row


def _figures(values: Mapping[str, float | None]) -> str:
    """``train loss 4.1234, val loss -``; of several of a split only the first one names it."""
    splits = {name: name.split("_")[0] for name in values}
    is_long = len(values) > len(set(splits.values()))
    text, before = "", ""
    for name, value in values.items():
        is_same = splits[name] == before
        shown = _words(name.removeprefix(f"{before}_") if is_same else name)
        between = "" if not before else "; " if is_long and not is_same else ", "
        text += f"{between}{shown} {'-' if value is None else format(value, '.4f')}"
        before = splits[name]
    return text


def _words(name: str) -> str:
    return name.replace("_", " ")
