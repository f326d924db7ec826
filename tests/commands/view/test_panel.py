"""What is shown while a run goes on is true at every moment, and fits the terminal."""

import io
import re

import pytest
from rich.console import Console

from gptcli.commands.view import panel
from gptcli.commands.view.panel import TrainingPanel, line_of
from gptcli.commands.view.run_status import RunStatus
from gptcli.config.training import TrainConfig
from gptcli.runtime.signals import StopRequest
from gptcli.training.reporter import EvaluationReport, StepReport
from gptcli.training.time_budget import TimeBudget

CONFIG = TrainConfig(
    batch_size=4, max_iters=3300, lr=1e-3, min_lr=1e-4, warmup_iters=20, eval_interval=1000,
    device="cpu", precision="float32",
)  # fmt: skip


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def status(clock: Clock) -> RunStatus:
    title = "input: nanochat 2.7M, 6 layers, 6 heads, 192 wide"
    return RunStatus(title, CONFIG, 1024, 0, StopRequest(), 660.0, clock=clock)


def train(status: RunStatus, clock: Clock, first: int, last: int, seconds: float = 0.2) -> None:
    status.doing("training")
    for step in range(first + 1, last + 1):
        clock.now += seconds
        status.advanced(step)
        if step % 10 == 0:
            status.stepped(
                StepReport(step, {"loss": 4.0 - step / 1000, "grad_norm": 0.42}, 1e-3, 5120.0)
            )


def evaluate(status: RunStatus, clock: Clock, step: int, val: float) -> None:
    status.evaluating("val", 40_960, 111_540)
    clock.now += 5
    status.evaluated(EvaluationReport(step, {"train_loss": val - 0.1, "val_loss": val}, True))
    status.doing("saving")
    status.saved()


def shown(status: RunStatus, monkeypatch: pytest.MonkeyPatch, width: int, height: int = 40) -> str:
    console = Console(
        file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None
    )
    monkeypatch.setattr(panel, "progress_console", lambda: console)
    monkeypatch.setattr(panel, "is_interactive", lambda: True)
    view = TrainingPanel(status, 10**9, lambda: 10e9)
    with console.capture() as captured:
        console.print(view.drawn())
    return captured.get()


def test_what_is_done_now_is_said_from_the_first_moment(status, clock, monkeypatch) -> None:
    said = [shown(status, monkeypatch, 100)]
    status.evaluating("val", 40_960, 111_540)
    said.append(shown(status, monkeypatch, 100))
    evaluate(status, clock, 0, 4.2)
    said.append(shown(status, monkeypatch, 100))
    status.doing("compiling")
    said.append(shown(status, monkeypatch, 100))
    train(status, clock, 0, 4)
    said.append(shown(status, monkeypatch, 100))
    wanted = ["starting", "evaluating val, 40,960 of 111,540 tokens", "saving", "compiling"]
    for text, word in zip(said, [*wanted, "training"], strict=True):
        assert f" {word} " in text
        assert sum(f" {other} " in text for other in [*wanted, "training"]) == 1
    assert "step 4 of 3,300" in said[-1]


def test_the_time_left_is_there_from_the_first_step_on_and_counts_evaluations(status, clock):
    assert status.time_left == "11 min left"  # the estimate
    clock.now += 60
    assert status.time_left == "10 min left"
    evaluate(status, clock, 0, 4.2)
    status.doing("compiling")
    clock.now += 30
    status.advanced(1)
    assert status.seconds_per_step is None  # that step tells nothing
    train(status, clock, 1, 300)
    assert status.seconds_left == pytest.approx(3000 * 0.2 + 4 * 5)
    assert status.units_per_second == pytest.approx(5120)


def test_with_a_time_budget_it_is_the_time_to_its_end(status, clock) -> None:
    status.budget = TimeBudget(600.0, 90.0, clock=clock)
    train(status, clock, 0, 50)
    assert status.seconds_left == pytest.approx(580.0)
    clock.now += 1000
    assert status.time_left == "time is over"


def test_the_panel_has_every_figure(status, clock, monkeypatch) -> None:
    train(status, clock, 0, 1000)
    evaluate(status, clock, 1000, 2.5012)
    train(status, clock, 1000, 1200)
    status.sampled("ROMEO:\nWhat \x1b[31m light\n\nthrough")
    status.sampled("")
    text = shown(status, monkeypatch, 100)
    for fact in (
        "input: nanochat 2.7M, 6 layers, 6 heads, 192 wide", "step 1,200 of 3,300", "training",
        "loss 2.8000", "val loss 2.5012", "2.5012 at 1,000", "tokens/s 5,120, MFU 50%",
        "gradient norm 0.42", "lr 0.001", "sample of step 1,200",
        "7 min 15 s left", "ROMEO:", "\\x1b[31m light", "█",
    ):  # fmt: skip
        assert fact in re.sub(" +", " ", text), fact
    assert "\x1b[31m" not in text


@pytest.mark.parametrize("width", [61, 80, 100, 200])
def test_no_line_is_wider_than_the_terminal(status, clock, monkeypatch, width) -> None:
    train(status, clock, 0, 1000)
    evaluate(status, clock, 1000, 2.5012)
    status.sample = "a long line " * 30
    lines = shown(status, monkeypatch, width).splitlines()
    assert max(map(len, lines)) <= width - 3
    assert lines[0].startswith("╭") and lines[-1].startswith("╰")


@pytest.mark.parametrize(("width", "height"), [(60, 40), (40, 40), (100, 12)])
def test_a_small_terminal_gets_a_line(status, clock, monkeypatch, width, height) -> None:
    train(status, clock, 0, 1200)
    lines = shown(status, monkeypatch, width, height).splitlines()
    assert lines == ["1,200/3,300 loss 2.8000 7 min left"]
    status.evaluating("val", 40_960, 111_540)
    (line,) = shown(status, monkeypatch, width, height).splitlines()  # cut, not folded
    assert line.startswith("1,200/3,300 evaluating val,") and len(line) <= width


def test_a_peak_that_is_too_low_or_missing_gives_no_utilization(status, clock, monkeypatch):
    train(status, clock, 0, 10, seconds=1e-3)
    text = shown(status, monkeypatch, 100)
    assert "MFU" in text and "unknown" in text and "%" not in text


def test_a_signal_is_seen_at_once(status, monkeypatch) -> None:
    status.doing("training")
    status.stop.receive(2, None)
    assert "stopping; Ctrl-C again ends at once" in shown(status, monkeypatch, 100)
    assert "stopping" in line_of(status)


@pytest.mark.parametrize("width", [100, 50])
def test_a_policy_is_shown_by_its_reward_and_paced_in_rollouts(clock, monkeypatch, width) -> None:
    status = RunStatus(
        "ppo", CONFIG, 128, 0, StopRequest(), unit="rollouts", judged_by="reward", clock=clock
    )
    status.doing("training")
    for step in (1, 2, 3):
        clock.now += 0.5
        status.advanced(step)
        values = {"loss": -0.01, "kl": 0.2, "reward": 0.25 * step, "grad_norm": 0.5}
        status.stepped(StepReport(step, values, 1e-4, 256.0))
    evaluation = {"val_reward": 0.625, "val_exact": 0.5, "val_kl": 0.1}
    status.evaluated(EvaluationReport(3, evaluation, True))
    status.doing("training")
    text = shown(status, monkeypatch, width)
    assert "reward 0.7500" in re.sub(" +", " ", text)
    if width == 100:
        squeezed = re.sub("[ │]+", " ", text)
        assert "val reward 0.6250 best 0.6250 at 3" in squeezed
        assert "rollouts/s 256" in squeezed
    assert (status.course[-1], status.best) == ((3, 0.75), 0.625)
