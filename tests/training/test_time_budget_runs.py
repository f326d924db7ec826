"""Runs for a time on a clock that the test moves: refused, stopped and resumed in every phase."""

from types import SimpleNamespace

import pytest
import torch

from gptcli.checkpoint.run import read_record
from gptcli.errors import TrainingStopped, UsageError
from gptcli.runtime.signals import StopRequest
from gptcli.training.loop import run_training
from gptcli.training.resuming import continue_training
from gptcli.training.step import Stepper
from gptcli.training.time_budget import TimeBudget, TimePlan
from gptcli.training.training_run import TrainingRun

BUDGET = 8.0
STEP = 0.1


class Clock:
    """Moved by every optimizer step, and by every rehearsal: by those given, then by a step."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.rehearsals: list[float] = []
        advance = Stepper.advance

        def stepping(stepper: Stepper, step: int) -> None:
            self.now += STEP
            advance(stepper, step)

        def rehearsing(stepper: Stepper, rows: int) -> None:
            self.now += self.rehearsals.pop(0) if self.rehearsals else STEP

        fake = SimpleNamespace(perf_counter=lambda: self.now)
        monkeypatch.setattr("gptcli.training.loop.time", fake)
        monkeypatch.setattr(Stepper, "advance", stepping)
        monkeypatch.setattr(Stepper, "rehearse", rehearsing)

    def plan(self, training: TrainingRun) -> TrainingRun:
        self.now = 0.0
        training.plan = TimePlan(TimeBudget(BUDGET, 0.0, clock=lambda: self.now))
        return training


class Listener:
    """Keeps the plans and the saves; asks to stop after ``stop_at`` steps."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.stop = StopRequest()
        self.stop_at = stop_at
        self.plans: list[int] = []
        self.saves: list[int] = []

    def stepped(self, report) -> None:
        if self.stop_at is not None and report.step >= self.stop_at:
            self.stop.signal_name = "SIGINT"

    def planned(self, step: int, config) -> None:
        self.plans.append(step)

    def saved(self, step: int) -> None:
        self.saves.append(step)

    def __getattr__(self, name: str):
        return lambda *_: None


@pytest.fixture
def clock(monkeypatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def budgeted(begin, clock: Clock):
    return lambda name: clock.plan(begin(name, time_budget=BUDGET, family="nanochat"))


def run(training: TrainingRun, stop_at: int | None = None) -> Listener:
    listener = Listener(stop_at)
    run_training(training, listener, listener.stop)
    return listener


def has_equal_weights(one: TrainingRun, other: TrainingRun) -> bool:
    pairs = zip(one.model.parameters(), other.model.parameters(), strict=True)
    return all(torch.equal(first, second) for first, second in pairs)


def test_it_ends_in_time_as_the_run_of_its_number_of_steps(begin, budgeted, clock) -> None:
    training = budgeted("timed")
    heard = run(training)
    assert BUDGET - 1.5 < clock.now <= BUDGET
    assert len(heard.plans) == 3
    final = training.config
    plain = begin(
        "plain",
        family="nanochat",
        max_iters=final.max_iters,
        eval_interval=final.eval_interval,
        schedule=final.schedule,
    )
    run(plain)
    assert plain.config == final
    assert has_equal_weights(plain, training)


def test_stopped_after_any_plan_it_resumes_to_the_number_that_is_stored(budgeted, dataset) -> None:
    whole = budgeted("whole")
    plans = run(whole).plans
    last = whole.config.max_iters
    for stop_at in (plans[0] + 1, plans[1] + 1, plans[2] + 1, last - 2):
        stopped = budgeted(f"stopped-{stop_at}")
        with pytest.raises(TrainingStopped, match="--resume"):
            run(stopped, stop_at)
        record = read_record(stopped.directory)
        assert record.training == stopped.config
        resumed, _ = continue_training(stopped.directory, record, dataset, None)
        assert resumed.plan is None, "it is an ordinary run"
        run(resumed)
        assert resumed.progress.step == record.training.max_iters
        if stop_at > plans[2]:
            assert has_equal_weights(resumed, whole)


def test_a_step_that_cannot_end_in_time_is_refused_before_the_first_save(budgeted, clock) -> None:
    training = budgeted("a")
    clock.rehearsals = [5.0, 5.0]
    listener = Listener()
    with pytest.raises(UsageError, match="--time-budget of 8 s is too short"):
        run_training(training, listener, listener.stop)
    assert listener.saves == []
    assert not training.place.is_in_place


def test_a_first_step_that_compiles_is_not_taken_for_a_slow_one(budgeted, clock) -> None:
    training = budgeted("a")
    clock.rehearsals = [5.0]
    run(training)
    assert training.progress.step > 10
    assert clock.now <= BUDGET


def test_a_stop_before_the_first_save_leaves_nothing(budgeted) -> None:
    training = budgeted("a")
    listener = Listener()
    listener.evaluating = lambda *_: setattr(listener.stop, "signal_name", "SIGINT")
    with pytest.raises(TrainingStopped):
        run_training(training, listener, listener.stop)
    assert not training.place.is_in_place


def test_a_stop_in_the_last_evaluation_is_resumed_by_it_alone(budgeted, dataset) -> None:
    whole = budgeted("whole")
    run(whole)
    stopped = budgeted("stopped")
    listener = Listener()

    def evaluating(*_: object) -> None:
        if stopped.progress.step == stopped.config.max_iters:
            listener.stop.signal_name = "SIGINT"

    listener.evaluating = evaluating
    with pytest.raises(TrainingStopped):
        run_training(stopped, listener, listener.stop)
    record = read_record(stopped.directory)
    resumed, _ = continue_training(stopped.directory, record, dataset, None)
    heard = run(resumed)
    assert heard.saves == [record.training.max_iters]
    assert has_equal_weights(resumed, whole)
    assert resumed.progress == whole.progress
