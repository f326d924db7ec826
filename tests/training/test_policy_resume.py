"""Runs of GRPO and PPO that are stopped or killed, also while answers are written."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from gptcli.checkpoint.model_files import write_description
from gptcli.checkpoint.run import read_record
from gptcli.checkpoint.tensors import save_weights
from gptcli.config.objective import GroupPolicy, PolicyConfig, ProximalPolicy
from gptcli.data.dataset import Dataset
from gptcli.data.questions import QuestionBatch
from gptcli.errors import TrainingStopped
from gptcli.evaluation.answering import Answers
from gptcli.model.initialization import new_model
from gptcli.runtime.hashing import sha256_of
from gptcli.runtime.signals import StopRequest
from gptcli.training import companions
from gptcli.training.defaults import resolve
from gptcli.training.loop import run_training
from gptcli.training.reporter import Reporter
from gptcli.training.resuming import continue_training
from gptcli.training.setup import begin_training
from gptcli.training.starting_point import StartingPoint
from gptcli.training.training_run import TrainingRun

SIZES = {
    "family": "llama", "n_layer": 1, "n_head": 2, "n_embd": 16, "block_size": 16, "batch_size": 8,
    "grad_accum": 2, "lr": 5e-3, "max_iters": 6, "eval_interval": 2, "warmup_iters": 0,
    "weight_decay": 0.0,
}  # fmt: skip
OBJECTIVES: list[PolicyConfig] = [
    GroupPolicy(max_new_tokens=5, group_size=4, kl_coef=0.1),
    ProximalPolicy(reward="final", max_new_tokens=5),
]


class Killed(Exception):  # noqa: N818
    """Nothing that a run can answer."""


class CountedStop(StopRequest):
    """Ends a run when it looks for a stop the ``last`` time: between two steps or two tokens."""

    def __init__(self, last: int, asks: bool = True) -> None:
        super().__init__()
        self.calls = 0
        self._last, self._asks = last, asks

    def __bool__(self) -> bool:
        self.calls += 1
        if self.calls == self._last and not self._asks:
            raise Killed
        if self.calls == self._last:
            self.signal_name = "SIGTERM"
        return super().__bool__()


def odd_share(asked: QuestionBatch, answers: Answers) -> NDArray[np.float64]:
    """A reward that a model which knows nothing gets, too."""
    return np.array([sum(number % 2 for number in one) / len(one) for one in answers.ids])


@pytest.fixture
def start(sums: Dataset, tmp_path: Path, monkeypatch) -> Callable[..., TrainingRun]:
    resolved = resolve(SIZES, None, sums.vocab_size, "cpu", "float32", 1)
    base, config = tmp_path / "base", resolved.model
    base.mkdir()
    monkeypatch.setattr(companions, "open_reward", lambda *_: odd_share)
    write_description(base, config, sums.tokenizer)
    weights = dict(new_model(config, seed=1).named_parameters())
    save_weights(base / "model.safetensors", weights, config)

    def make(objective: PolicyConfig, name: str) -> TrainingRun:
        asked = replace(resolved, objective=objective)
        directory, begun = tmp_path / "runs" / name, StartingPoint.at(base)
        return begin_training(directory, asked, None, sums, start=begun)

    return make


def left_by(directory: Path) -> dict[str, object]:
    """What a run leaves: its weights, its moments, its answers, and its figures without times."""
    figures = [json.loads(line) for line in (directory / "metrics.jsonl").open(encoding="utf-8")]
    for line in figures:
        line.pop("rollouts_per_second", None)
    last = max((directory / "resume").glob("step-*"))
    files = (directory / "model.safetensors", *last.glob("*.safetensors"))
    hashes = {one.relative_to(directory).as_posix(): sha256_of(one) for one in files}
    return {**hashes, "metrics": figures, "answers": (directory / "answers.jsonl").read_text()}


@pytest.mark.parametrize("asks", [True, False], ids=["stopped", "killed"])
@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda one: one.name)
def test_a_policy_that_goes_on_ends_like_one_that_never_ended(
    start, sums, objective: PolicyConfig, asks: bool
) -> None:
    straight, ended = start(objective, "straight"), start(objective, "ended")
    run_training(straight, Reporter(), StopRequest())
    wanted = left_by(straight.directory)
    assert [line["step"] for line in wanted["metrics"] if "val_kl" in line] == [0, 2, 4, 6]
    assert any(line.get("grad_norm") for line in wanted["metrics"])

    n_ended = 0
    for calls in (18, 3, 13, 7, 10**9):
        stop = CountedStop(calls, asks)
        try:
            run_training(ended, Reporter(), stop)
        except (TrainingStopped, Killed):
            n_ended += 1
            record = read_record(ended.directory)
            ended, _ = continue_training(ended.directory, record, sums, None)
    assert n_ended == 4
    assert left_by(ended.directory) == wanted
