"""Training on what the masks count: the same weight for each target, wherever it falls."""

import hashlib
import math
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from gptcli.checkpoint.run import read_record
from gptcli.data.dataset import Dataset
from gptcli.data.order import WindowOrder
from gptcli.errors import DataError, TrainingStopped
from gptcli.runtime.signals import StopRequest
from gptcli.training import at_once
from gptcli.training.defaults import resolve
from gptcli.training.estimate import estimate_seconds
from gptcli.training.loop import run_training
from gptcli.training.reporter import EvaluationReport, Reporter, StepReport
from gptcli.training.resuming import continue_training
from gptcli.training.setup import begin_training
from gptcli.training.training_run import TrainingRun

SIZES = {
    "n_layer": 2, "n_head": 2, "n_embd": 32, "block_size": 24, "batch_size": 8,
    "max_iters": 6, "eval_interval": 6, "warmup_iters": 2, "grad_clip": 0.0,
}  # fmt: skip


class Listener(Reporter):
    """Keeps the reports; asks to stop after ``stop_at`` steps."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.stop = StopRequest()
        self.steps: list[StepReport] = []
        self.evaluations: list[EvaluationReport] = []
        self.targets: list[int] = []
        self._stop_at = stop_at

    def stepped(self, report: StepReport) -> None:
        self.steps.append(report)
        if report.step == self._stop_at:
            self.stop.signal_name = "SIGTERM"

    def evaluating(self, split: str, done: int, total: int) -> None:
        if done:
            self.targets.append(done)
            assert done <= total

    def evaluated(self, report: EvaluationReport) -> None:
        self.evaluations.append(report)

    def warned(self, message: str) -> None:
        pytest.fail(message)

    def saved(self, step: int) -> None:
        pass


def uneven(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Prompts and completions of all lengths, some completions empty."""
    draw = random.Random(seed)
    text = lambda most: "".join(draw.choices("abcdef ", k=draw.randint(0, most)))  # noqa: E731
    return [(text(12) + ":", text(9)) for _ in range(count)]


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., TrainingRun]:
    def make(dataset: Dataset, name: str = "run", **given: object) -> TrainingRun:
        values = {"family": "gpt2", **SIZES, **given}
        resolved = resolve(values, None, dataset.vocab_size, "cpu", "float32", 1)
        return begin_training(tmp_path / "runs" / name, resolved, None, dataset)

    return make


def run(training: TrainingRun, listener: Listener | None = None) -> Listener:
    listener = listener or Listener()
    run_training(training, listener, listener.stop)
    return listener


def weights_hash(training: TrainingRun) -> str:
    digest = hashlib.sha256()
    for parameter in training.model.parameters():
        digest.update(parameter.detach().numpy().tobytes())
    return digest.hexdigest()


def one_step(training: TrainingRun) -> tuple[float, list[torch.Tensor]]:
    """The loss of step 0, and the gradient that the optimizer was given."""
    gradients: list[torch.Tensor] = []
    parameters = list(training.model.parameters())
    training.optimizers[0].register_step_pre_hook(
        lambda *_: gradients.extend(parameter.grad.clone() for parameter in parameters)
    )
    stepper = training.stepper()
    stepper.advance(0)
    return stepper.figures()[0].loss, gradients


def first_rows(training: TrainingRun) -> list[int]:
    """Where the rows of step 0 start."""
    config, split = training.config, training.dataset.train
    starts = split.windows(24).starts
    order = WindowOrder(split.n_tokens, 24, config.rows_per_iter, config.seed, windows=starts)
    return order.starts(0).tolist()


def plain_step(training: TrainingRun) -> tuple[float, list[torch.Tensor]]:
    """The same in float64, row by row and target by target: their sum by their number."""
    split, model = training.dataset.train, training.model.double()
    losses, in_row = [], set()
    for start in first_rows(training):
        ids = torch.from_numpy(split.read(start, 25))
        counted = np.flatnonzero(split.read_mask(start, 25)[1:])
        table = F.log_softmax(model(ids[None, :-1])[0], dim=-1)
        losses += [-table[place, ids[place + 1]] for place in counted]
        in_row.add(len(counted))
    assert len(in_row) > 3, "or a mean of means would do as well"
    loss = torch.stack(losses).sum() / len(losses)
    loss.backward()
    return loss.item(), [parameter.grad for parameter in model.parameters()]


def test_micro_batches_weigh_every_target_of_the_step_the_same(
    masked_dataset, start, monkeypatch
) -> None:
    dataset = masked_dataset(uneven(80), uneven(9))
    whole = one_step(start(dataset, "whole"))
    for size, accum in ((4, 2), (2, 4), (1, 8)):
        parts = one_step(start(dataset, f"parts-{size}", batch_size=size, grad_accum=accum))
        assert parts[0] == pytest.approx(whole[0], rel=1e-6)
        torch.testing.assert_close(parts[1], whole[1], rtol=1e-5, atol=1e-7)
    for numbers in (1, 3 * 24 * 32):  # a row at once; three of the eight, so that the last are two
        monkeypatch.setattr(at_once, "_NUMBERS", numbers)
        parts = one_step(start(dataset, f"at-once-{numbers}"))
        assert parts[0] == pytest.approx(whole[0], rel=1e-6)
        torch.testing.assert_close(parts[1], whole[1], rtol=1e-5, atol=1e-7)
    monkeypatch.undo()
    reference = plain_step(start(dataset, "reference"))
    assert whole[0] == pytest.approx(reference[0], rel=1e-6)
    doubled = [gradient.double() for gradient in whole[1]]
    torch.testing.assert_close(doubled, reference[1], rtol=1e-4, atol=1e-6)


def test_with_every_token_counted_the_loss_is_the_ordinary_one(masked_dataset, start) -> None:
    training = start(masked_dataset([("", "a fine day. ")] * 30), batch_size=4, grad_accum=2)
    tokens = torch.from_numpy(training.dataset.train.gather(np.array(first_rows(training)), 25))
    with torch.no_grad():
        logits = training.model(tokens[:, :-1])
    loss, _ = one_step(training)
    plain = F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
    assert loss == pytest.approx(float(plain), rel=1e-6)


def test_no_step_is_without_a_target_though_nearly_no_token_counts(masked_dataset, start) -> None:
    pairs = [("abc def abc def abc def:", "x" if n % 40 == 7 else "") for n in range(200)]
    training = start(masked_dataset(pairs, pairs[:50]), batch_size=1, max_iters=20, eval_interval=5)
    heard = run(training)
    assert all(
        math.isfinite(report.values["loss"]) and report.values["loss"] > 0 for report in heard.steps
    )
    assert training.dataset.train.windows(24).starts.size == 5
    assert heard.evaluations[-1].values["train_loss"] < heard.evaluations[0].values["train_loss"]


def test_addition_is_learned_from_its_answers_alone(masked_dataset, start) -> None:
    sums = [(f"{a}+{b}=", f"{a + b:02}"[::-1] + "\n") for a in range(10) for b in range(10)]
    random.Random(1).shuffle(sums)
    training = start(
        masked_dataset(sums[10:], sums[:10]), max_iters=300, eval_interval=100, lr=1e-2
    )
    heard = run(training)
    losses = [report.values["train_loss"] for report in heard.evaluations]
    assert losses[0] == pytest.approx(math.log(training.dataset.vocab_size), abs=0.2)
    # With the questions counted no loss could fall below a third of log(100).
    assert losses[-1] < 0.2
    assert heard.targets[0] == 10 * 3


def test_a_masked_run_that_was_stopped_ends_like_one_that_was_not(masked_dataset, start) -> None:
    dataset = masked_dataset(uneven(80), uneven(9))
    given = {"max_iters": 20, "eval_interval": 10, "grad_accum": 2, "dropout": 0.2}
    straight, stopped = start(dataset, "straight", **given), start(dataset, "stopped", **given)
    heard = run(straight)
    with pytest.raises(TrainingStopped):
        run(stopped, Listener(stop_at=10))
    record = read_record(stopped.directory)
    resumed, _ = continue_training(stopped.directory, record, dataset, None)
    rest = run(resumed)
    assert weights_hash(resumed) == weights_hash(straight)
    assert rest.evaluations[-1] == heard.evaluations[-1]


@pytest.mark.parametrize("val", [[], [("abc", "")]])
def test_a_val_split_without_targets_is_replaced_by_train(masked_dataset, start, val) -> None:
    heard = run(start(masked_dataset(uneven(80), val)))
    assert heard.evaluations[-1].values["val_loss"] is None
    assert heard.evaluations[-1].values["train_loss"] > 0


def test_train_is_measured_on_as_many_targets_as_val(masked_dataset, start) -> None:
    long_prompts = [("a" * 100, "")] * 9 + [("ab" * 20 + ":", "cd")] * 60
    heard = run(start(masked_dataset(long_prompts, [("a:", "b")] * 12)))
    assert heard.targets[:2] == [12, 12]


def test_the_cost_of_a_masked_run_can_be_estimated(masked_dataset, start, monkeypatch) -> None:
    monkeypatch.setattr("gptcli.training.estimate._LEAST_SECONDS", 0.0)
    for val in ([], uneven(9)):
        training = start(masked_dataset(uneven(80), val, f"{len(val)}"), f"run-{len(val)}")
        before = weights_hash(training)
        assert 0 < estimate_seconds(training, StopRequest()) < 600
        assert weights_hash(training) == before


def test_data_without_a_target_is_refused_before_anything_is_written(
    masked_dataset, start, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="no training token that counts"):
        start(masked_dataset([("only prompts, ", "")] * 20))
    assert not (tmp_path / "runs").exists()


def test_masked_data_shorter_than_the_context_is_refused(masked_dataset, start) -> None:
    with pytest.raises(DataError, match="--block-size"):
        start(masked_dataset([("a", "b")] * 12))
