"""``--time-budget``: as many iterations as fit into a time, planned from what steps really take.

The number of iterations is set after the first few steps, and corrected while the learning rate
is still flat: after a tenth of the time, and after a third, since a machine may be busy at first.
From there the run is an ordinary one, whose learning rate is a function of the step.
Only where the machine becomes slower later is the end brought forward again.
"""

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from gptcli.config.training import TrainConfig
from gptcli.errors import UsageError

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

    ``keeps_interval``: the user chose the number of steps between evaluations.
    """

    seconds: float
    began: float
    keeps_interval: bool = False
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
        self._is_warm = False

    def check_has_time(self) -> None:
        """Raise UsageError where the time is over before the first step."""
        if self.budget.elapsed >= self.budget.seconds:
            enough = math.ceil(2 * self.budget.elapsed)
            raise UsageError(
                f"--time-budget of {self.budget.seconds:g} s is too short: it was over before the "
                f"first step, and nothing was saved; try --time-budget {enough}s"
            )

    def evaluated(self, seconds: float) -> None:
        """Take note of how long an evaluation with its save took."""
        self._evaluation = max(self._evaluation, seconds)

    def stepped(self, steps: int, seconds: float) -> None:
        """Take note of how long some steps took; the first ever are warming up."""
        if self._is_warm:
            self._measured.append((steps, seconds))
        self._is_warm = True

    def pause(self, usual: int) -> int:
        """After how many steps to look at the clock: ``usual``, or fewer where they are slow."""
        if not self._measured:
            return 1
        return max(1, min(usual, int(self.budget.seconds / 100 / self._step_seconds())))

    def revised(self, step: int, config: TrainConfig) -> TrainConfig | None:
        """The configuration with another number of iterations, or None to go on as planned."""
        if not self._measured:
            return None
        if self._plans < len(_PLAN_AT):
            done = max(self.budget.elapsed / self.budget.seconds, step / config.max_iters)
            if done < _PLAN_AT[self._plans]:
                return None
            self._plans += 1
            return self._planned(step, config)
        if self._end(step, config) <= self.budget.seconds * _LATE:
            return None
        sooner = step + self._affordable(self._to_come(step, config))
        return replace(config, max_iters=sooner) if sooner < config.max_iters else None

    def _planned(self, step: int, config: TrainConfig) -> TrainConfig:
        if self.budget.keeps_interval:
            return replace(config, max_iters=step + self._affordable(self._to_come(step, config)))
        is_short = EVALUATIONS * self._evaluation > _EVALUATING * self.budget.seconds
        evaluations = 1 if is_short else EVALUATIONS
        iters = step + self._affordable(evaluations)
        return replace(config, max_iters=iters, eval_interval=math.ceil(iters / evaluations))

    def _affordable(self, evaluations: int) -> int:
        """Further steps that end in time with so many evaluations, at least one step."""
        left = self.budget.seconds - self.budget.elapsed - self._apart(evaluations)
        return max(1, int(left / self._step_seconds()))

    def _end(self, step: int, config: TrainConfig) -> float:
        """Seconds from the beginning to the end, at the present pace."""
        steps = (config.max_iters - step) * self._step_seconds()
        return self.budget.elapsed + steps + self._apart(self._to_come(step, config))

    def _to_come(self, step: int, config: TrainConfig) -> int:
        """How many evaluations are still to come."""
        return math.ceil(config.max_iters / config.eval_interval) - step // config.eval_interval

    def _apart(self, evaluations: int) -> float:
        """Seconds for all but steps: the evaluations, and the end."""
        return evaluations * self._evaluation + _TO_END

    def _step_seconds(self) -> float:
        return sum(seconds for _, seconds in self._measured) / sum(n for n, _ in self._measured)
