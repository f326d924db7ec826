"""Estimates: they leave no trace, count what is left, and grow with layers and rows."""

import pytest
import torch

from gptcli.accounting.flops import sequence_flops
from gptcli.checkpoint.resume import Progress
from gptcli.config.model import ModelConfig
from gptcli.runtime.signals import StopRequest
from gptcli.training import estimate
from gptcli.training.defaults import resolve
from gptcli.training.estimate import Pace, estimate_seconds, is_worth_compiling, measure_pace
from gptcli.training.language_modeling import LanguageModelTraining


def test_estimating_leaves_weights_and_optimizer_as_they_were(begin, monkeypatch) -> None:
    monkeypatch.setattr(estimate, "_LEAST_SECONDS", 0.0)
    training = begin("a", dropout=0.2)
    before = [parameter.detach().clone() for parameter in training.model.parameters()]
    assert estimate_seconds(training, StopRequest()) > 0
    after = list(training.model.parameters())
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert all(parameter.grad is None for parameter in after)
    assert not any(optimizer.state for optimizer in training.optimizers)


def test_steps_and_evaluations_that_are_left_are_counted(begin, monkeypatch) -> None:
    monkeypatch.setattr(estimate, "_step_seconds", lambda *_: 1.0)
    monkeypatch.setattr(LanguageModelTraining, "evaluation_seconds", lambda _: 1000.0)
    training = begin("a", max_iters=35, eval_interval=10)
    assert estimate_seconds(training, StopRequest()) == 35 + 5 * 1000  # at 0, 10, 20, 30 and 35
    training.progress = Progress(step=20, evaluated_step=20)
    assert estimate_seconds(training, StopRequest()) == 15 + 2 * 1000
    training.progress = Progress(step=20, evaluated_step=10)
    assert estimate_seconds(training, StopRequest()) == 15 + 3 * 1000


CONFIG = ModelConfig(n_layer=3, n_head=2, n_embd=32, block_size=16, vocab_size=40)


def test_an_iteration_is_overhead_for_every_layer_and_arithmetic_for_every_row() -> None:
    flops = sequence_flops(CONFIG, 16).training_full
    assert Pace(0.5, 1e30).iteration_seconds(CONFIG, 8) == 0.5 * 4
    assert Pace(0.0, flops).iteration_seconds(CONFIG, 8) == 8


def test_what_is_measured_here_is_possible() -> None:
    pace = measure_pace("cpu", "float32")
    assert 1e-5 < pace.seconds_per_layer < 1
    assert 1e8 < pace.flops_per_second < 1e14


@pytest.mark.parametrize(
    ("device", "precision", "steps", "expected"),
    [
        ("cpu", "bfloat16", 10**6, True),
        ("cpu", "float32", 10**6, False),
        ("cpu", "bfloat16", 10, False),
        ("cuda", "bfloat16", 10**11, True),
        ("cuda:1", "float32", 10**11, True),
        ("cuda", "bfloat16", 10**6, False),  # ends within minutes
        ("mps", "float32", 10**11, False),
    ],
)
def test_compiling_is_chosen_where_it_pays(
    device: str, precision: str, steps: int, expected: bool
) -> None:
    sizes = {"n_layer": 2, "n_head": 2, "n_embd": 32, "batch_size": 4, "block_size": 16}
    resolved = resolve({**sizes, "max_iters": steps}, None, 40, device, precision, 1)
    assert is_worth_compiling("auto", resolved) == expected
    assert is_worth_compiling("on", resolved)
    assert not is_worth_compiling("off", resolved)


def test_a_model_that_is_mostly_its_head_is_not_compiled_for_a_short_time() -> None:
    for vocab_size, expected in ((65, True), (50257, False)):
        resolved = resolve({"time_budget": 90.0}, None, vocab_size, "cpu", "bfloat16", 2)
        assert is_worth_compiling("auto", resolved) == expected


def test_a_busy_machine_is_not_thought_to_multiply_in_no_time(monkeypatch) -> None:
    monkeypatch.setattr("gptcli.training.estimate._iteration_seconds", lambda *_: 0.5)
    flops = 4 * sequence_flops(estimate._LARGE, estimate._LARGE.block_size).training_full
    assert measure_pace("cpu", "float32").flops_per_second == pytest.approx(flops / 0.05)


def test_a_model_with_dropout_is_not_compiled_on_a_cpu() -> None:
    sizes = {"n_layer": 2, "n_head": 2, "n_embd": 32, "batch_size": 4, "block_size": 16}
    given = {**sizes, "max_iters": 10**6, "dropout": 0.2}
    resolved = resolve(given, None, 40, "cpu", "bfloat16", 1)
    assert not is_worth_compiling("auto", resolved)
    assert is_worth_compiling("on", resolved)


def test_a_run_that_ends_before_its_time_is_judged_by_its_steps() -> None:
    given = {"time_budget": 3600.0, "ngram_teacher": 0.0}
    for n_tokens, expected in ((10**6, False), (10**9, True)):
        resolved = resolve(given, None, 65, "cuda", "bfloat16", 2, n_tokens)
        assert is_worth_compiling("auto", resolved) == expected


def test_the_loss_with_a_teacher_is_not_compiled_on_a_gpu() -> None:
    given = {"n_layer": 12, "n_head": 12, "n_embd": 768, "max_iters": 10**5}
    for teacher, expected in ((0.0, True), (0.7, False)):
        taught = {**given, "ngram_teacher": teacher}
        resolved = resolve(taught, None, 65, "cuda", "bfloat16", 2, 10**6, is_countable=True)
        assert is_worth_compiling("auto", resolved) == expected
