"""Reward models and DPO: their gradients pair by pair, what they learn, and how they resume."""

import json
import math
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gptcli.checkpoint.model_files import write_description
from gptcli.checkpoint.run import read_record
from gptcli.checkpoint.tensors import save_weights
from gptcli.config.objective import ObjectiveConfig, PreferenceOptimization, RewardModeling
from gptcli.data.dataset import Dataset
from gptcli.data.order import ItemOrder
from gptcli.data.questions import pairs_of
from gptcli.errors import DataError, DivergedError, TrainingStopped
from gptcli.evaluation import pair_rewards as pair_rewards_module
from gptcli.evaluation.pair_rewards import PairFigures, pair_rewards
from gptcli.model.initialization import new_model, scoring_weights
from gptcli.runtime.hashing import sha256_of
from gptcli.runtime.signals import StopRequest
from gptcli.runtime.world import World
from gptcli.training.defaults import resolve
from gptcli.training.loop import run_training
from gptcli.training.objectives import objective_of
from gptcli.training.reporter import Reporter
from gptcli.training.resuming import continue_training
from gptcli.training.setup import begin_training
from gptcli.training.starting_point import StartingPoint
from gptcli.training.training_run import TrainingRun

SIZES = {
    "n_layer": 2, "n_head": 2, "n_embd": 16, "block_size": 24, "batch_size": 8, "lr": 5e-3,
    "max_iters": 6, "eval_interval": 6, "warmup_iters": 2, "weight_decay": 0.0, "grad_clip": 0.0,
}  # fmt: skip
LN_2 = torch.tensor(2.0).log().item()  # to the last digit of float32
DPO = PreferenceOptimization(0.5)
OBJECTIVES = (RewardModeling(), DPO)


def ranked(count: int, seed: int = 0) -> list[tuple[str, str, str]]:
    """Questions with answers of all lengths; a chosen one has an x, which is what counts."""
    draw = random.Random(seed)
    text = lambda least, most: "".join(draw.choices("abcdef", k=draw.randint(least, most)))  # noqa: E731
    return [
        (text(1, 8) + "?", text(0, 4) + "x" + text(0, 3) + "!", text(0, 9) + "!")
        for _ in range(count)
    ]


@pytest.fixture
def dataset(masked_dataset) -> Dataset:
    return masked_dataset(ranked(60), ranked(20, seed=1))


@pytest.fixture
def base(dataset: Dataset, tmp_path: Path) -> Path:
    """The directory of a language model to begin with."""
    values = {"family": "llama", **SIZES}
    config = resolve(values, None, dataset.vocab_size, "cpu", "float32", 1).model
    model, directory = new_model(config, seed=1), tmp_path / "base"
    directory.mkdir()
    write_description(directory, config, dataset.tokenizer)
    save_weights(directory / "model.safetensors", dict(model.named_parameters()), config)
    return directory


@pytest.fixture
def start(dataset: Dataset, base: Path, tmp_path: Path) -> Callable[..., TrainingRun]:
    def make(objective: ObjectiveConfig, name: str = "run", **given: object) -> TrainingRun:
        values = {"family": "llama", **SIZES, **given}
        resolved = resolve(values, None, dataset.vocab_size, "cpu", "float32", 1)
        is_reward = isinstance(objective, RewardModeling)
        model = resolved.model.scoring() if is_reward else resolved.model
        resolved = replace(resolved, model=model, objective=objective)
        directory, begun = tmp_path / "runs" / name, StartingPoint.at(base)
        return begin_training(directory, resolved, None, dataset, start=begun)

    return make


class Killed(Exception):  # noqa: N818
    """Nothing that a run can answer."""


class Killer(Reporter):
    """Ends a run once there are so many steps: by asking it to stop, or without asking."""

    def __init__(self, step: int, asks: bool) -> None:
        self.stop = StopRequest()
        self._step, self._asks = step, asks

    def advanced(self, step: int) -> None:
        if step == self._step and not self._asks:
            raise Killed
        if step == self._step:
            self.stop.signal_name = "SIGTERM"


def left_by(directory: Path) -> dict[str, object]:
    """What a run leaves: its weights, its moments, and its figures without the times."""
    lines = (directory / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    figures = [json.loads(line) for line in lines]
    for line in figures:
        line.pop("pairs_per_second", None)
        line.pop("time", None)
    last = max((directory / "resume").glob("step-*"))
    files = (directory / "model.safetensors", *last.glob("*.safetensors"))
    hashes = {one.relative_to(directory).as_posix(): sha256_of(one) for one in files}
    return {**hashes, "metrics": figures}


def moved(training: TrainingRun) -> TrainingRun:
    """The run with weights that are not the first ones, so that no loss is ln 2."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in training.model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return training


def one_step(training: TrainingRun) -> tuple[dict[str, float], list[Tensor]]:
    """The figures of step 0, and the gradient that the optimizer was given."""
    found: list[Tensor] = []
    parameters = list(training.model.parameters())
    training.optimizers[0].register_step_pre_hook(
        lambda *_: found.extend(parameter.grad.clone() for parameter in parameters)
    )
    objective = objective_of(training)
    objective.advance(0)
    return dict(objective.figures()[0]), found


def plain_step(training: TrainingRun) -> tuple[dict[str, float], list[Tensor]]:
    """The same in float64, one answer at a time and one token at a time."""
    model, split = training.model.double(), training.dataset.train
    n_ids = training.dataset.tokenizer.vocab_size

    def sum_lp(model, ids: Tensor, first: int) -> Tensor:
        table = F.log_softmax(model(ids[None, :-1])[0, :, :n_ids], dim=-1)
        return sum(table[t - 1, ids[t]] for t in range(first, len(ids)))

    def reward(prompt: list[int], answer: list[int]) -> Tensor:
        ids = torch.tensor(prompt + answer)
        if isinstance(training.objective, RewardModeling):
            return model(ids[None])[0, -1, 0]
        with torch.no_grad():
            before = sum_lp(training.reference.double(), ids, len(prompt))
        return training.objective.beta * (sum_lp(model, ids, len(prompt)) - before)

    pairs, config = pairs_of(split), training.config
    losses, margins = [], []
    for number in ItemOrder(len(pairs), config.rows_per_iter, config.seed).items(0):
        start, chosen, rejected, end = (
            int(one[number]) for one in (pairs.starts, pairs.chosen, pairs.rejected, pairs.ends)
        )
        ids = split.read(start, end - start).tolist()
        prompt, cut = ids[: chosen - start], rejected - start
        better = reward(prompt, ids[chosen - start : cut])
        worse = reward(prompt, ids[cut:])
        losses.append(-F.logsigmoid(better - worse))
        margins.append((better - worse).item())
    loss = torch.stack(losses).mean()
    loss.backward()
    wins = [(m > 0) + 0.5 * (m == 0) for m in margins]
    values = {"loss": loss.item(), "accuracy": np.mean(wins), "margin": np.mean(margins)}
    return values, [parameter.grad for parameter in model.parameters()]


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda one: one.name)
def test_a_step_is_the_mean_over_its_pairs_however_it_is_cut(start, objective) -> None:
    whole = one_step(moved(start(objective, "whole")))
    for size, accum in ((4, 2), (1, 8)):
        given = {"batch_size": size, "grad_accum": accum}
        parts = one_step(moved(start(objective, f"parts-{size}", **given)))
        assert parts[0] == pytest.approx(whole[0], rel=1e-4, abs=1e-6)
        torch.testing.assert_close(parts[1], whole[1], rtol=1e-4, atol=1e-6)
    values, gradient = plain_step(moved(start(objective, "plain")))
    assert {name: whole[0][name] for name in values} == pytest.approx(values, rel=1e-4, abs=1e-6)
    doubled = [one.double() for one in whole[1]]
    torch.testing.assert_close(doubled, gradient, rtol=1e-3, atol=1e-6)
    norm = math.hypot(*(one.norm().item() for one in gradient))
    assert norm > 0.01
    assert norm == pytest.approx(whole[0]["grad_norm"], rel=1e-4)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda one: one.name)
def test_the_first_loss_is_ln_2_to_the_last_digit(start, objective) -> None:
    training = start(objective)
    found = objective_of(training).evaluate(0, lambda *_: None)
    assert found.values["val_loss"] == found.values["train_loss"] == math.log(2)
    assert (found.decisive, found.values["val_accuracy"]) == (math.log(2), 0.5)
    values, _ = one_step(training)
    assert (values["loss"], values["accuracy"], values["margin"]) == (LN_2, 0.5, 0.0)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda one: one.name)
def test_what_makes_an_answer_chosen_is_learnt(start, objective) -> None:
    training = start(objective, max_iters=60, lr=1e-2)
    one = objective_of(training)
    for step in range(60):
        one.advance(step)
    assert len(one.figures()) == 60
    found = one.evaluate(60, lambda *_: None).values
    assert found["val_accuracy"] >= 0.9
    assert found["val_loss"] < 0.5 < LN_2
    assert found["val_margin"] > 0.5
    if objective == DPO:
        rewards = found["val_chosen_reward"] - found["val_rejected_reward"]
        assert rewards == pytest.approx(found["val_margin"])


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda one: one.name)
def test_a_step_that_is_not_finite_changes_nothing(start, objective) -> None:
    training = moved(start(objective))
    one = objective_of(training)
    with torch.no_grad():
        training.model.final_norm.weight[0] = math.nan
    before = [one.detach().clone() for one in training.model.parameters()]
    with pytest.raises(DivergedError, match=r"step 3 \(loss is nan.*--lr"):
        one.advance(3)
    with pytest.raises(DivergedError, match="val_loss is nan"):
        one.evaluate(3, lambda *_: None)
    for old, new in zip(before, training.model.parameters(), strict=True):
        torch.testing.assert_close(old, new.detach(), rtol=0, atol=0, equal_nan=True)


def test_a_rehearsal_changes_nothing(start) -> None:
    training = moved(start(DPO))
    one = objective_of(training)
    before = [one.detach().clone() for one in training.model.parameters()]
    one.rehearse(3)
    assert one.evaluation_seconds() > 0
    after = list(training.model.parameters())
    assert all(torch.equal(old, new) for old, new in zip(before, after, strict=True))
    assert all(parameter.grad is None for parameter in after)
    assert one.figures() == []


def test_as_many_pairs_are_evaluated_as_eval_batches_allows(start) -> None:
    training = start(RewardModeling(), eval_batches=2, batch_size=4)
    seen: dict[str, list[tuple[int, int]]] = {}
    one = objective_of(training)
    one.evaluate(0, lambda name, done, total: seen.setdefault(name, []).append((done, total)))
    assert {name: calls[-1] for name, calls in seen.items()} == {"val": (8, 8), "train": (8, 8)}


def test_without_a_val_split_all_of_a_few_pairs_are_evaluated(start, monkeypatch) -> None:
    training = start(RewardModeling())
    one, n_pairs = objective_of(training), len(pairs_of(training.dataset.train))
    monkeypatch.setattr(one, "_val", pairs_of(training.dataset.val).at(slice(0)))
    seen: dict[str, int] = {}
    found = one.evaluate(0, lambda name, done, total: seen.update({name: total}))
    assert seen == {"train": n_pairs}
    assert found.decisive == found.values["train_loss"]


def test_the_number_of_processes_changes_no_figure(start, monkeypatch) -> None:
    training = moved(start(DPO))
    monkeypatch.setattr(pair_rewards_module, "_TOKENS_AT_ONCE", 100)
    monkeypatch.setattr(pair_rewards_module, "all_sum", lambda world, values: values)
    one, split = objective_of(training), training.dataset.val
    alone = pair_rewards(one.rewards, split, pairs_of(split))
    shares = [pair_rewards(one.rewards, split, pairs_of(split), World(n, 3)) for n in range(3)]
    assert all(0 < np.count_nonzero(share) < alone.size for share in shares)
    assert np.array_equal(sum(shares), alone)


def test_figures_of_pairs_count_ties_as_half_a_win() -> None:
    found = PairFigures.of(np.array([[1.0, 0.0], [2.0, 2.0], [-900.0, 900.0], [3.0, 1.0]]))
    assert (found.accuracy, found.margin) == (0.625, (1 - 1800 + 2) / 4)
    losses = [math.log1p(math.exp(-1)), math.log(2), 1800, math.log1p(math.exp(-2))]
    assert found.loss == pytest.approx(sum(losses) / 4)


def test_data_whose_pairs_are_all_too_long_is_refused(start) -> None:
    training = start(RewardModeling(), block_size=3)
    with pytest.raises(DataError, match="no pair that fits into a context of 3 tokens"):
        objective_of(training)


def test_a_reward_model_may_begin_with_one(start) -> None:
    training = moved(start(RewardModeling()))
    weights = dict(training.model.named_parameters())
    again = scoring_weights(weights)
    assert again.keys() == weights.keys()
    assert torch.equal(again["score.weight"], weights["score.weight"])


@pytest.mark.parametrize("asks", [True, False], ids=["stopped", "killed"])
@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda one: one.name)
def test_a_run_that_goes_on_ends_like_one_that_never_ended(
    start, dataset, objective, asks: bool
) -> None:
    given = {"max_iters": 8, "eval_interval": 4, "grad_accum": 2, "batch_size": 4}
    straight, ended = start(objective, "straight", **given), start(objective, "ended", **given)
    run_training(straight, Reporter(), StopRequest())
    for step in (1, 4, 7):  # without asking, the steps since the last save are done again
        killer = Killer(step, asks)
        try:
            run_training(ended, killer, killer.stop)
        except (TrainingStopped, Killed):
            record = read_record(ended.directory)
            ended, _ = continue_training(ended.directory, record, dataset, None)
    run_training(ended, Reporter(), StopRequest())
    assert read_record(ended.directory).objective == objective
    first, second = left_by(straight.directory), left_by(ended.directory)
    evaluated = [line for line in first["metrics"] if "val_loss" in line]
    assert [line["step"] for line in evaluated] == [0, 4, 8]
    if asks:  # then fewer steps are behind the next means of steps
        assert [line for line in second["metrics"] if "val_loss" in line] == evaluated
        second["metrics"] = first["metrics"]
    assert first == second


def test_the_configuration_may_get_another_number_of_steps(start) -> None:
    training = start(RewardModeling())
    one = objective_of(training)
    one.config = replace(training.config, max_iters=9)
    one.advance(7)
    assert one.figures()[0]["loss"] == LN_2
