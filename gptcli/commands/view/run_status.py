"""What is known of a training run at this moment, for whatever shows it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from gptcli.commands.view.numbers import duration
from gptcli.config.training import TrainConfig
from gptcli.runtime.signals import StopRequest
from gptcli.training.reporter import Activity, EvaluationReport, StepReport
from gptcli.training.time_budget import TimeBudget

STOPPING = "stopping; Ctrl-C again ends at once"
_RECENT = 50  # steps by which the pace is judged


@dataclass
class RunStatus:
    """Follows a run from its events.

    The pace is counted in ``unit``: tokens, pairs or rollouts. ``judged_by`` is the figure that
    decides which weights are the best: the highest, or else the lowest of it.
    ``estimate`` is how many seconds the whole run takes, as far as that is known before its first
    step; ``budget`` is the time that it has.
    """

    title: str
    config: TrainConfig
    units_per_step: int
    step: int
    stop: StopRequest
    estimate: float | None = None
    budget: TimeBudget | None = None
    unit: str = "tokens"
    judged_by: str = "loss"
    best: float | None = None
    best_step: int = 0
    clock: Callable[[], float] = time.perf_counter
    last: StepReport | None = None
    evaluation: EvaluationReport | None = None
    course: list[tuple[int, float]] = field(default_factory=list)
    sample: str = ""
    sample_step: int = 0

    def __post_init__(self) -> None:
        self._began = self._since = self.clock()
        self._activity = "starting"
        self._steps: list[float] = []  # seconds
        self._pause_from: float | None = None
        self._pause = 0.0  # seconds of the last evaluation and its save

    @property
    def activity(self) -> str:
        """What is done now."""
        return STOPPING if self.stop else self._activity

    @property
    def total(self) -> int:
        """The number of steps of the whole run."""
        return self.config.max_iters

    @property
    def seconds_per_step(self) -> float | None:
        """The pace of the latest steps; None before the first."""
        recent = self._steps[-_RECENT:]
        return sum(recent) / len(recent) if recent else None

    @property
    def units_per_second(self) -> float | None:
        """The pace of the latest steps; None before the first."""
        seconds = self.seconds_per_step
        return self.units_per_step / seconds if seconds else None

    @property
    def seconds_left(self) -> float | None:
        """Seconds to the end of the run, or of its time; None where nothing is known yet."""
        if self.budget is not None:
            return max(0.0, self.budget.seconds - self.budget.elapsed)
        seconds, now = self.seconds_per_step, self.clock()
        if seconds is None:
            return self.estimate and max(0.0, self.estimate - (now - self._began))
        done, every = self.step // self.config.eval_interval, self.config.eval_interval
        evaluations = -(-self.total // every) - done
        return (self.total - self.step) * seconds + evaluations * self._pause

    @property
    def latest(self) -> tuple[str, float | None]:
        """Name and value of the figure by which the run is judged, of the latest evaluation."""
        values = self.evaluation.values if self.evaluation else {}
        split = "train" if values and values.get(f"val_{self.judged_by}") is None else "val"
        return f"{split} {self.judged_by}", values.get(f"{split}_{self.judged_by}")

    @property
    def time_left(self) -> str:
        """The time left, with its label."""
        seconds = self.seconds_left
        if seconds is None:
            return "time left unknown"
        if self.budget is not None and not seconds:
            return "time is over"
        return f"{duration(seconds)} left"

    def doing(self, activity: Activity) -> None:
        """Another activity begins."""
        self._activity = activity
        if activity == "saving":
            self._pause_from = self._pause_from or self.clock()
        else:
            self._since = self.clock()

    def advanced(self, step: int) -> None:
        """A step was done; one in which blocks were compiled tells nothing about the pace."""
        now = self.clock()
        if self._activity == "training":
            self._steps.append(now - self._since)
        self.step, self._since = step, now

    def stepped(self, report: StepReport) -> None:
        """Take the figures of some steps."""
        self.last = report
        if self.judged_by in report.values:
            self.course.append((report.step, report.values[self.judged_by]))

    def evaluating(self, split: str, done: int, total: int) -> None:
        """An evaluation goes on."""
        self._pause_from = self._pause_from or self.clock()
        self._activity = f"evaluating {split}, {done:,} of {total:,} {self.unit}"

    def evaluated(self, report: EvaluationReport) -> None:
        """Take the figures of an evaluation."""
        self.evaluation = report
        if report.is_best and report.step:
            self.best_step = report.step
            self.best = self.latest[1]

    def sampling(self) -> None:
        """A sample is written."""
        self._activity = "writing a sample"

    def sampled(self, text: str) -> None:
        """Take a sample; one that is empty leaves the one before."""
        if text:
            self.sample, self.sample_step = text, self.step

    def saved(self) -> None:
        """An evaluation and its save are over."""
        if self._pause_from is not None:
            self._pause = max(self._pause, self.clock() - self._pause_from)
        self._pause_from = None
