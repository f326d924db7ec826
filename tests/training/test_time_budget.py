"""The number of iterations that a time affords, planned on a clock that the test moves."""

from dataclasses import replace

import pytest

from gptcli.config.training import TrainConfig
from gptcli.errors import UsageError
from gptcli.training.schedule import learning_rate
from gptcli.training.time_budget import TimeBudget, TimePlan

BUDGET = 600.0
GUESS = TrainConfig(
    batch_size=16, max_iters=5000, lr=0.03, min_lr=0.0006, warmup_iters=0, eval_interval=1667,
    device="cpu", precision="bfloat16", schedule="wsd",
)  # fmt: skip


class Machine:
    """Trains by moving a clock; ``pace`` are the seconds of a step from a number of steps on."""

    def __init__(self, pace: dict[int, float], evaluation: float = 6.0, start: float = 3.0) -> None:
        self.now, self.pace, self.evaluation = start, pace, evaluation
        self.plans: list[tuple[int, TrainConfig]] = []

    def train(
        self,
        seconds: float = BUDGET,
        config: TrainConfig = GUESS,
        keeps: bool = False,
        most: int | None = None,
    ):
        self.plan = plan = TimePlan(TimeBudget(seconds, 0.0, keeps, most, lambda: self.now))
        step = 0
        self._evaluate(plan)
        while step < config.max_iters:
            target = (step // plan.pause(10) + 1) * plan.pause(10)
            target = min(target, (step // config.eval_interval + 1) * config.eval_interval)
            target = min(target, config.max_iters)
            took = sum(self._step_seconds(one) for one in range(step, target))
            self.now += took
            plan.stepped(target - step, took)
            step = target
            revised = plan.revised(step, config)
            if revised:
                self.plans.append((step, revised))
                config = revised
            if step % config.eval_interval == 0 or step == config.max_iters:
                self._evaluate(plan)
        return config

    def _evaluate(self, plan: TimePlan) -> None:
        self.now += self.evaluation
        plan.evaluated(self.evaluation)

    def _step_seconds(self, step: int) -> float:
        return self.pace[max(first for first in self.pace if first <= step)]


@pytest.mark.parametrize("seconds", [30.0, 60.0, 600.0, 7200.0])
@pytest.mark.parametrize("pace", [0.01, 0.5, 2.0])
def test_a_steady_machine_ends_in_time_and_uses_it(seconds: float, pace: float) -> None:
    machine = Machine({0: 3 * pace, 1: pace}, evaluation=min(6.0, seconds / 60))
    machine.train(seconds)
    assert machine.now <= seconds
    assert machine.now >= 0.93 * seconds - 2 * pace - 1


def test_it_plans_soon_and_corrects_twice_while_the_rate_is_flat() -> None:
    # The first steps are slow, as when a compiler or other work is in the way.
    machine = Machine({0: 20.0, 1: 1.0, 12: 0.5})
    machine.train()
    first, second, third = [config.max_iters for _, config in machine.plans]
    assert first < second <= third
    assert machine.plans[-1][0] < 0.4 * third
    assert 0.95 * BUDGET <= machine.now <= BUDGET


def test_what_was_done_before_the_correction_is_as_in_a_run_of_the_final_number() -> None:
    machine = Machine({0: 0.5})
    final = machine.train()
    corrected_at = machine.plans[-1][0]
    assert corrected_at > final.max_iters / 4
    for _, config in [(0, GUESS), *machine.plans]:
        rates = {learning_rate(step, config) for step in range(corrected_at)}
        assert rates == {GUESS.lr}
    assert learning_rate(final.max_iters, final) == pytest.approx(GUESS.min_lr)


def test_a_machine_that_slows_down_ends_at_most_5_percent_late() -> None:
    machine = Machine({0: 0.5, 700: 1.0, 800: 1.5})
    final = machine.train()
    assert machine.now <= 1.05 * BUDGET
    assert final.max_iters < machine.plans[2][1].max_iters
    assert machine.plans[2][1].eval_interval == final.eval_interval


def test_the_users_interval_between_evaluations_stays() -> None:
    final = Machine({0: 0.5}).train(config=replace(GUESS, eval_interval=100), keeps=True)
    assert final.eval_interval == 100


def test_slow_steps_are_looked_at_one_by_one() -> None:
    plan = TimePlan(TimeBudget(60.0, 0.0))
    assert plan.pause(10) == 1
    plan.stepped(1, 5.0)
    plan.stepped(1, 5.0)
    assert plan.pause(10) == 1


def test_a_text_that_needs_less_time_gets_its_steps_and_a_decay_within_them() -> None:
    machine = Machine({0: 0.5})
    final = machine.train(config=replace(GUESS, max_iters=264, eval_interval=88), most=264)
    assert final.max_iters == 264
    assert machine.now < BUDGET / 3
    assert machine.plan.is_cut_short(final)
    assert machine.plan.unrepeatable is None
    assert not machine.plan.is_cut_short(replace(final, max_iters=263))


def test_a_run_can_be_repeated_by_its_number_of_steps_unless_its_rates_were_others() -> None:
    steady = Machine({0: 0.5})
    steady.train()
    assert steady.plan.unrepeatable is None
    slower = Machine({0: 0.5, 700: 1.0, 800: 1.5})
    slower.train()
    assert "became slower" in (slower.plan.unrepeatable or "")
    cosine = Machine({0: 0.5})
    cosine.train(config=replace(GUESS, schedule="cosine"))
    assert "before the number of steps was known" in (cosine.plan.unrepeatable or "")
    constant = Machine({0: 0.5, 700: 1.0, 800: 1.5})
    constant.train(config=replace(GUESS, schedule="constant"))
    assert constant.plan.unrepeatable is None


@pytest.mark.parametrize(
    ("pace", "evaluation", "seconds"),
    [
        ({0: 25.0}, 6.0, 60.0),  # three steps would be too late
        ({0: 40.0}, 6.0, 60.0),  # even two
        ({0: 1.0}, 25.0, 60.0),  # half of the time for the first evaluation
        ({0: 9.0, 1: 3.0}, 1.0, 60.0),  # passes two moments of planning in one step
        ({0: 0.5, 40: 8.0}, 2.0, 60.0),
    ],
)
def test_slow_steps_and_evaluations_end_in_time(pace, evaluation: float, seconds: float) -> None:
    machine = Machine(pace, evaluation)
    final = machine.train(seconds)
    assert machine.now <= 1.05 * seconds
    assert final.max_iters >= 1
    assert machine.plans[-1][1] == final


def test_a_guess_that_is_far_too_low_is_extended_at_its_very_last_step() -> None:
    machine = Machine({0: 0.5})
    final = machine.train(config=replace(GUESS, max_iters=10, eval_interval=10))
    assert final.max_iters > 900
    assert 0.93 * BUDGET <= machine.now <= BUDGET


def test_a_machine_that_becomes_faster_ends_in_time_with_the_planned_steps() -> None:
    machine = Machine({0: 1.0, 400: 0.5})
    final = machine.train()
    assert machine.now <= BUDGET
    assert final == machine.plans[-1][1]
    assert machine.plans[-1][0] < 400


def test_a_save_that_takes_long_is_paid_for_by_steps() -> None:
    quick, slow = Machine({0: 0.5}, evaluation=2.0), Machine({0: 0.5}, evaluation=40.0)
    assert quick.train().max_iters - slow.train().max_iters > 2 * 30 / 0.5
    assert slow.now <= BUDGET


def test_a_time_that_ends_within_the_first_step_is_refused() -> None:
    plan = TimePlan(TimeBudget(60.0, 0.0, clock=lambda: 30.0))
    plan.check_has_time(step=10.0, evaluation=10.0)
    with pytest.raises(UsageError, match=r"too short.*--time-budget 132s"):
        plan.check_has_time(step=25.0, evaluation=10.0)
