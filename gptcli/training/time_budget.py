"""``--time-budget``: as many iterations as fit into a time, planned from what steps really take.

The number of iterations is set after the first few steps, and corrected while the learning rate
is still flat: after a tenth of the time, and after a third, since a machine may be busy at first.
From there the run is an ordinary one, whose learning rate is a function of the step.
Only where the machine becomes slower later is the end brought forward again. A text that is
small enough to be learnt in less time ends the run before.
"""

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from gptcli.config.training import TrainConfig
from gptcli.errors import UsageError
from gptcli.training.schedule import learning_rate

EVALUATIONS = 3  # after the one before the first step, or 1 where they take too long
_EVALUATING = 0.06  # of the time, at most, unless it is the only evaluation
# Shares of the time at which it is planned: all lie before a wsd schedule of the usual decay
# begins to fall, so that the steps until then are those of any number of iterations.
_PLAN_AT = (0.02, 0.1, 0.35)
_LATE = 1.03  # times the budget
_TO_END = 1.0  # seconds to write the last files and to end the process
_RECENT = 25  # measurements by which the pace is judged


@dataclass(frozen=True)
class TimeBudget:
    """Seconds from ``began``, a moment on ``clock``, to the end of the command.

    ``keeps_interval``: the user chose the number of steps between evaluations. ``most_iters``
    are enough, if the time affords more.
    """

    seconds: float
    began: float
    keeps_interval: bool = False
    most_iters: int | None = None
    clock: Callable[[], float] = time.monotonic

    @property
    def elapsed(self) -> float:
        """Seconds that are gone."""
        return self.clock() - self.began


class TimePlan:
    """Turns measured steps and evaluations into a number of iterations."""

    def __init__(self, budget: TimeBudget) -> None:
        self.budget = budget
        self._evaluation = 0.0  # seconds
        self._measured: deque[tuple[int, float]] = deque(maxlen=_RECENT)  # steps, seconds
        self._plans = 0
        self._first: tuple[int, float] | None = None
        self.unrepeatable: str | None = None

    def check_has_time(self, step: float = 0.0, evaluation: float = 0.0) -> None:
        """Raise UsageError where the time is over before a step and an evaluation have ended.

        ``step`` and ``evaluation`` are the seconds that they take.
        """
        needed = self.budget.elapsed + step + evaluation
        if needed >= self.budget.seconds:
            enough = math.ceil(2 * (needed + _TO_END))
            raise UsageError(
                f"--time-budget of {self.budget.seconds:g} s is too short: it was over before the "
                f"first step, and nothing was saved; try --time-budget {enough}s"
            )

    def evaluated(self, seconds: float) -> None:
        """Take note of how long an evaluation with its save took."""
        self._evaluation = max(self._evaluation, seconds)

    def stepped(self, steps: int, seconds: float) -> None:
        """Take note of how long some steps took; the first ever are warming up."""
        if self._first is None:
            self._first = (steps, seconds)
        else:
            self._measured.append((steps, seconds))

    def pause(self, usual: int) -> int:
        """After how many steps to look at the clock: ``usual``, or fewer where they are slow."""
        if not self._measured:
            return 1
        return max(1, min(usual, int(self.budget.seconds / 100 / self._step_seconds())))

    def revised(self, step: int, before: TrainConfig) -> TrainConfig | None:
        """The configuration with another number of iterations, or None to go on as planned.

        Where the steps so far had other rates than with the new number, no run of that number
        has the same weights, and ``unrepeatable`` says why.
        """
        is_late = self._plans == len(_PLAN_AT)
        config = self._revised(step, before)
        if config and any(
            learning_rate(i, config) != learning_rate(i, before) for i in range(step)
        ):
            self.unrepeatable = (
                "the machine became slower, and the decay was cut short"
                if is_late
                else "the rate fell before the number of steps was known"
            )
        return config

    def ends_after(self, step: int, config: TrainConfig) -> float:
        """Seconds from the beginning to the end of the run, at the present pace."""
        steps = (config.max_iters - step) * self._step_seconds()
        return self.budget.elapsed + steps + self._beside_steps(self._to_come(step, config))

    def is_cut_short(self, config: TrainConfig) -> bool:
        """Whether the run ends before its time, since more steps would not help."""
        return config.max_iters == self.budget.most_iters

    def _revised(self, step: int, config: TrainConfig) -> TrainConfig | None:
        if not self._measured:  # the first step is no measure, unless another would be late
            is_late = self._affordable(1) == 0
            return replace(config, max_iters=step) if is_late else None
        if self._plans < len(_PLAN_AT):
            done = max(self.budget.elapsed / self.budget.seconds, step / config.max_iters)
            if done < _PLAN_AT[self._plans]:
                return None
            # A slow machine passes several at once, and plans once.
            self._plans = sum(done >= share for share in _PLAN_AT)
            return self._planned(step, config)
        if self.ends_after(step, config) <= self.budget.seconds * _LATE:
            return None
        sooner = step + self._affordable(self._to_come(step, config))
        return replace(config, max_iters=sooner) if sooner < config.max_iters else None

    def _planned(self, step: int, config: TrainConfig) -> TrainConfig:
        if self.budget.keeps_interval:
            return replace(config, max_iters=self._iters(step, self._to_come(step, config)))
        is_short = EVALUATIONS * self._evaluation > _EVALUATING * self.budget.seconds
        evaluations = 1 if is_short else EVALUATIONS
        iters = self._iters(step, evaluations)
        return replace(config, max_iters=iters, eval_interval=math.ceil(iters / evaluations))

    def _iters(self, step: int, evaluations: int) -> int:
        """The whole number of steps that the time affords, or that are enough."""
        iters, most = step + self._affordable(evaluations), self.budget.most_iters
        return iters if most is None else min(iters, most)

    def _affordable(self, evaluations: int) -> int:
        """Further steps that end in time with so many evaluations."""
        left = self.budget.seconds - self.budget.elapsed - self._beside_steps(evaluations)
        return max(0, int(left / self._step_seconds()))

    def _to_come(self, step: int, config: TrainConfig) -> int:
        """How many evaluations are still to come."""
        return math.ceil(config.max_iters / config.eval_interval) - step // config.eval_interval

    def _beside_steps(self, evaluations: int) -> float:
        """Seconds for all but steps: the evaluations, and the end."""
        return evaluations * self._evaluation + _TO_END

    def _step_seconds(self) -> float:
        measured = self._measured or [self._first or (1, 0.0)]
        return sum(seconds for _, seconds in measured) / sum(n for n, _ in measured)
