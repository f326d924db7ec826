"""The loop: it learns, saves, stops when asked, and goes on as if it had not stopped."""

import hashlib
import json
import math
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from gptcli.checkpoint import publish
from gptcli.checkpoint.find import newest_run
from gptcli.checkpoint.resume import resume_steps
from gptcli.checkpoint.run import read_record
from gptcli.checkpoint.tensors import load_weights
from gptcli.checkpoint.weights_step import WeightsStep, weights_step
from gptcli.errors import (
    CheckpointError,
    DataError,
    DivergedError,
    ResourceError,
    TrainingStopped,
    UsageError,
)
from gptcli.fast.compiled_blocks import has_compiler
from gptcli.model.initialization import new_model
from gptcli.runtime.seeds import derive_seed
from gptcli.runtime.signals import StopRequest
from gptcli.training import at_once
from gptcli.training.defaults import resolve
from gptcli.training.loop import run_training
from gptcli.training.reporter import EvaluationReport, Reporter, StepReport
from gptcli.training.resuming import continue_training
from gptcli.training.setup import begin_training
from gptcli.training.step import Stepper
from gptcli.training.training_run import TrainingRun

SIZES = {"n_layer": 1, "n_head": 1, "n_embd": 8, "batch_size": 2}


class Listener(Reporter):
    """Keeps what it hears and asks to stop after ``stop_at`` steps or in an evaluation."""

    def __init__(self, stop_at: int | None = None, in_evaluation: bool = False) -> None:
        self.stop = StopRequest()
        self.steps: list[StepReport] = []
        self.evaluations: list[EvaluationReport] = []
        self.saves: list[int] = []
        self._stop_at = stop_at
        self._in_evaluation = in_evaluation

    def _ask(self) -> None:
        self.stop.signal_name = "SIGTERM"

    def stepped(self, report: StepReport) -> None:
        self.steps.append(report)
        if not self._in_evaluation and report.step == self._stop_at:
            self._ask()

    def evaluating(self, split: str, done: int, total: int) -> None:
        if self._in_evaluation and self.steps and self.steps[-1].step == self._stop_at:
            self._ask()

    def evaluated(self, report: EvaluationReport) -> None:
        self.evaluations.append(report)

    def warned(self, message: str) -> None:
        pytest.fail(message)

    def saved(self, step: int) -> None:
        self.saves.append(step)


def run(training: TrainingRun, listener: Listener | None = None) -> Listener:
    listener = listener or Listener()
    run_training(training, listener, listener.stop)
    return listener


def weights_hash(training: TrainingRun) -> str:
    digest = hashlib.sha256()
    for parameter in training.model.parameters():
        digest.update(parameter.detach().numpy().tobytes())
    return digest.hexdigest()


def logged(training: TrainingRun) -> list[dict[str, float]]:
    lines = (training.directory / "metrics.jsonl").read_text().splitlines()
    pace = "tokens_per_second"
    return [{k: v for k, v in json.loads(line).items() if k != pace} for line in lines]


def test_the_loss_falls_and_everything_is_on_disk(begin) -> None:
    training = begin("a", max_iters=120, eval_interval=40)
    heard = run(training)
    losses = [report.values["val_loss"] for report in heard.evaluations]
    assert losses[0] == pytest.approx(math.log(training.dataset.vocab_size), abs=0.1)
    assert losses[-1] < 0.8 * losses[0]
    assert [report.step for report in heard.evaluations] == [0, 40, 80, 120] == heard.saves
    names = {path.name for path in training.directory.iterdir()}
    assert names == {
        "config.json", "generation_config.json", "loss.svg", "manifest.json", "metrics.jsonl",
        "model.safetensors", "resume", "tokenizer.json", "tokenizer_config.json", "train.json",
    }  # fmt: skip
    assert "val split" in (training.directory / "loss.svg").read_text()


@pytest.mark.parametrize(
    "switches",
    [{}, {"dropout": 0.3, "grad_accum": 2, "order": "random"}, {"ngram_teacher": 0.5}],
)
@pytest.mark.parametrize(("stop_at", "in_evaluation"), [(13, False), (10, False), (20, True)])
def test_a_stopped_and_resumed_run_ends_like_an_uninterrupted_one(
    begin, dataset, switches, stop_at, in_evaluation
) -> None:
    switches = {**switches, "eval_interval": 10 if stop_at != 13 else 13}
    straight = begin("straight", **switches)
    heard = run(straight)
    stopped = begin("stopped", **switches)
    with pytest.raises(TrainingStopped, match="--resume"):
        run(stopped, Listener(stop_at, in_evaluation))
    record = read_record(stopped.directory)
    resumed, problems = continue_training(stopped.directory, record, dataset, None)
    assert problems == []
    assert resumed.progress.step == stop_at
    rest = run(resumed)
    assert weights_hash(resumed) == weights_hash(straight)
    assert rest.evaluations[-1] == heard.evaluations[-1]
    assert [line["step"] for line in logged(resumed)] == [line["step"] for line in logged(straight)]
    best = Path("model.safetensors")
    assert (resumed.directory / best).read_bytes() == (straight.directory / best).read_bytes()


@pytest.mark.parametrize(
    ("stop_at", "eval_interval", "answers"),
    [(10, 30, 10), (20, 15, 15), (10, 10, 10)],
)
def test_a_stopped_run_answers_with_what_it_has_learnt(
    begin, dataset, stop_at, eval_interval, answers
) -> None:
    training = begin("a", eval_interval=eval_interval)
    with pytest.raises(TrainingStopped):
        run(training, Listener(stop_at))
    assert weights_step(training.directory) == WeightsStep(answers, 30)
    assert weights_step(resume_steps(training.directory)[-1]) == WeightsStep(stop_at, 30)
    published = load_weights(training.directory, training.model.config)
    trained = training.model.state_dict()
    is_last = all(torch.equal(tensor, trained[name]) for name, tensor in published.items())
    assert is_last == (answers == stop_at)
    resumed, _ = continue_training(
        training.directory, read_record(training.directory), dataset, None
    )
    run(resumed)
    assert weights_step(training.directory).step == resumed.progress.best_step


def test_learnt_weights_are_the_best_even_if_step_0_was_better(
    begin,
) -> None:
    training = begin("a", lr=10.0, min_lr=10.0, max_iters=1, eval_interval=1)
    heard = run(training)
    first, last = (report.values["val_loss"] for report in heard.evaluations)
    assert last > first
    assert weights_step(training.directory).step == training.progress.best_step == 1


def test_without_steps_the_untrained_model_is_the_result(begin, dataset) -> None:
    training = begin("a", max_iters=0)
    assert run(training).saves == [0]
    assert not (training.directory / "loss.svg").exists(), "nothing is there to be drawn"
    assert weights_step(training.directory) == WeightsStep(0, 0)
    published = load_weights(training.directory, training.model.config)
    fresh = new_model(training.model.config, derive_seed(1337, "weights")).state_dict()
    assert all(torch.equal(tensor, fresh[name]) for name, tensor in published.items())
    resumed, _ = continue_training(training.directory, read_record(training.directory), dataset, 9)
    run(resumed)
    assert weights_step(training.directory) == WeightsStep(9, 9)


def test_a_crash_between_the_weights_and_their_manifest_leaves_no_doubt(begin, monkeypatch) -> None:
    """The manifest then names two steps, and the hash of the weights tells which it is."""
    training = begin("a", eval_interval=15)
    seen = []

    def looked_at(path, value):
        is_before = "replaced" in value  # the new weights are in place
        if is_before:
            written(path, value)
        if "step" in value:
            seen.append(weights_step(path.parent).step)
        if not is_before:
            written(path, value)

    written = publish.write_json
    monkeypatch.setattr(publish, "write_json", looked_at)
    run(training)
    assert seen == [0, 0, 0, 15, 15, 30]


def test_the_run_worked_on_last_is_the_newest(begin, dataset, tmp_path) -> None:
    first, second = begin("first"), begin("second")
    run(second)
    run(first)
    assert newest_run(tmp_path / "runs") == first.directory
    begin("third")  # failed before its first save
    assert newest_run(tmp_path / "runs") == first.directory
    continue_training(second.directory, read_record(second.directory), dataset, None)
    assert newest_run(tmp_path / "runs") == second.directory


def test_resuming_from_an_earlier_step_repeats_the_rest(begin, dataset) -> None:
    training = begin("a")
    run(training)
    before, lines = weights_hash(training), logged(training)
    newest = resume_steps(training.directory)[-1]
    (newest / "state.json").write_text("{}")
    record = read_record(training.directory)
    resumed, problems = continue_training(training.directory, record, dataset, None)
    assert "state.json" in problems[0]
    assert resumed.progress.step == 20
    run(resumed)
    assert weights_hash(resumed) == before
    assert logged(resumed) == lines


@pytest.mark.parametrize(
    ("given", "tolerance"),
    [
        ({"optimizer": "adamw"}, 1e-4),
        # Muon rounds its update to bfloat16, so a last digit may be the next one: 2^-8 of a step.
        ({"optimizer": "muon", "family": "nanochat", "max_iters": 4, "lr": 0.01}, 2e-4),
    ],
    ids=["adamw", "muon"],
)
def test_accumulated_micro_batches_equal_one_large_batch(begin, given, tolerance: float) -> None:
    whole = begin("whole", batch_size=8, **given)
    parts = begin("parts", batch_size=2, grad_accum=4, **given)
    run(whole)
    run(parts)
    for one, other in zip(whole.model.parameters(), parts.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=tolerance)


@pytest.mark.parametrize("given", [{}, {"ngram_teacher": 0.5}], ids=["plain", "teacher"])
def test_a_batch_that_is_computed_in_parts_equals_the_whole(begin, monkeypatch, given) -> None:
    whole = begin("whole", batch_size=8, **given)
    run(whole)
    config = whole.model.config
    monkeypatch.setattr(at_once, "_NUMBERS", 3 * config.block_size * config.n_embd)
    assert at_once.rows_at_once(8, config, "cpu") == 3
    assert at_once.rows_at_once(8, config, "cuda") == 8
    parts = begin("parts", batch_size=8, **given)
    run(parts)
    losses = ([line["loss"] for line in logged(one) if "loss" in line] for one in (whole, parts))
    torch.testing.assert_close(*losses, rtol=1e-4, atol=0)
    for one, other in zip(whole.model.parameters(), parts.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_a_loss_that_is_no_number_stops_before_the_update(begin, monkeypatch) -> None:
    training = begin("a", eval_interval=30)
    heard = Listener()
    advance = Stepper.advance

    def poisoned(self: Stepper, step: int) -> None:
        if step == 15:
            with torch.no_grad():
                training.model.token_embedding.weight[0, 0] = math.inf
        advance(self, step)

    monkeypatch.setattr(Stepper, "advance", poisoned)
    with pytest.raises(DivergedError, match="--lr"):
        run(training, heard)
    assert heard.saves == [0]
    assert training.progress.step == 15
    finite = [parameter.isfinite().all() for parameter in training.model.parameters()]
    assert finite.count(torch.tensor(False)) == 1, "only what the test itself poisoned"


def test_an_evaluation_that_is_no_number_saves_nothing(begin) -> None:
    training = begin("a")
    with torch.no_grad():
        training.model.token_embedding.weight[0, 0] = math.inf
    with pytest.raises(DivergedError, match="step 0"):
        run(training)
    assert not (training.directory / "model.safetensors").exists()
    assert logged(training) == []


@pytest.mark.parametrize("place", ["weight", "moment"])
def test_a_stopped_run_never_saves_numbers_that_are_not_finite(begin, monkeypatch, place) -> None:
    training = begin("a", max_iters=20)
    heard = Listener(stop_at=13)
    advance = Stepper.advance

    def poisoned(self: Stepper, step: int) -> None:
        advance(self, step)
        if step == 12:
            parameter = training.model.token_embedding.weight
            moment = training.optimizers[0].state[parameter]["exp_avg"]
            with torch.no_grad():
                (parameter if place == "weight" else moment)[0, 0] = math.nan
            heard.stop.signal_name = "SIGTERM"

    monkeypatch.setattr(Stepper, "advance", poisoned)
    with pytest.raises(DivergedError, match=r"step 13 \(token_embedding.weight.* not finite"):
        run(training, heard)
    assert heard.saves == [0, 10]
    assert [step.name for step in resume_steps(training.directory)][-1] == "step-00000010"


def test_a_save_without_room_on_the_disk_names_its_bytes(begin, monkeypatch) -> None:
    training = begin("a", max_iters=20)
    heard = Listener()
    advance = Stepper.advance

    def fill_the_disk(self: Stepper, step: int) -> None:
        advance(self, step)
        if step == 15:
            monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=5))

    monkeypatch.setattr(Stepper, "advance", fill_the_disk)
    with pytest.raises(ResourceError, match=r"a save takes [\d,]+ bytes .* has 5 left"):
        run(training, heard)
    assert heard.saves == [0, 10]
    with pytest.raises(ResourceError, match=r"the run with 2 saves takes [\d,]+ bytes"):
        begin("b")


def test_a_train_loss_that_is_no_number_stops_beside_a_finite_val_loss(begin, monkeypatch) -> None:
    training = begin("a")
    losses = iter([math.log(20), math.nan])

    def loss_over(*_: object) -> float:
        return next(losses)

    monkeypatch.setattr(
        "gptcli.training.language_modeling.LanguageModelTraining._loss_over", loss_over
    )
    with pytest.raises(DivergedError, match="over train is nan"):
        run(training)
    assert logged(training) == []


@pytest.mark.parametrize("val_fraction", [0.0, 0.05, 0.1])
def test_a_val_split_of_one_token_or_none_is_replaced_by_train(
    prepare_string, tmp_path, val_fraction
) -> None:
    data = prepare_string("ab ba abba b", tmp_path / "tiny", val_fraction=val_fraction)
    resolved = resolve(
        {**SIZES, "family": "gpt2", "block_size": 4, "max_iters": 2}, None, 3, "cpu", "float32", 1
    )
    heard = run(begin_training(tmp_path / "run", resolved, None, data))
    assert heard.evaluations[-1].values["train_loss"] > 0


def test_max_iters_can_only_grow(begin, dataset) -> None:
    training = begin("a")
    run(training)
    record = read_record(training.directory)
    with pytest.raises(UsageError, match="only be raised"):
        continue_training(training.directory, record, dataset, 20)
    grown, _ = continue_training(training.directory, record, dataset, 40)
    assert run(grown).saves == [40]
    assert read_record(training.directory).training.max_iters == 40


def test_other_data_is_refused(prepare_string, begin, tmp_path) -> None:
    training = begin("a")
    run(training)
    record = read_record(training.directory)
    other = prepare_string("the other text " * 50, tmp_path / "data" / "other")
    with pytest.raises(CheckpointError, match="--data"):
        continue_training(training.directory, record, other, None)


def test_a_context_longer_than_the_text_is_refused_with_one_that_fits(begin) -> None:
    with pytest.raises(DataError, match="--block-size") as refused:
        begin("a", block_size=100_000)
    suggestion = int(str(refused.value).split("--block-size ")[1].split()[0])
    assert begin("b", block_size=suggestion).model.config.block_size == suggestion


def test_evaluation_leaves_no_trace_in_the_weights(begin) -> None:
    often, rarely = begin("often", eval_interval=1), begin("rarely", eval_interval=30)
    run(often)
    run(rarely)
    assert weights_hash(often) == weights_hash(rarely)


def test_begin_training_writes_the_description_before_any_weights(begin, dataset) -> None:
    training = begin("a")
    assert (training.directory / "config.json").is_file()
    assert read_record(training.directory).data.dataset == dataset.identity
    assert not (training.directory / "model.safetensors").exists()


@pytest.mark.parametrize(("patience", "last"), [(1, 15), (2, 20), (None, 30)])
def test_patience_counts_evaluations_without_a_better_one(
    begin, monkeypatch, patience: int | None, last: int
) -> None:
    heard = Listener()
    losses = [4.0, 3.0, 2.0, 2.5, 2.4, 2.3, 2.2]  # at steps 0, 5, 10, ...
    monkeypatch.setattr(
        "gptcli.training.language_modeling.LanguageModelTraining._loss_over",
        lambda *_: losses[len(heard.evaluations)],
    )
    training = begin("a", eval_interval=5, patience=patience)
    run(training, heard)
    assert training.progress.step == last
    assert training.progress.best_step == 10


@pytest.mark.skipif(not has_compiler("cpu"), reason="there is no C++ compiler")
def test_compiled_steps_with_dropout_resume_exactly(begin, dataset, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    given = {"n_layer": 1, "dropout": 0.2, "max_iters": 6, "eval_interval": 3, "compile": True}
    straight, stopped = begin("straight", **given), begin("stopped", **given)
    run(straight)
    with pytest.raises(TrainingStopped):
        run(stopped, Listener(stop_at=3))
    record = read_record(stopped.directory)
    assert record.training.compile
    torch.compiler.reset()  # as a new process does, which reads what was compiled from its cache
    resumed, _ = continue_training(stopped.directory, record, dataset, None)
    run(resumed)
    assert weights_hash(resumed) == weights_hash(straight)
