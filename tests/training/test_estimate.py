"""The estimate: it leaves no trace, and counts what is left."""

import torch

from gptcli.checkpoint.resume import Progress
from gptcli.runtime.signals import StopRequest
from gptcli.training import estimate
from gptcli.training.estimate import estimate_seconds


def test_estimating_leaves_weights_and_optimizer_as_they_were(begin, monkeypatch) -> None:
    monkeypatch.setattr(estimate, "_LEAST_SECONDS", 0.0)
    training = begin("a", dropout=0.2)
    before = [parameter.detach().clone() for parameter in training.model.parameters()]
    assert estimate_seconds(training, StopRequest()) > 0
    after = list(training.model.parameters())
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert all(parameter.grad is None for parameter in after)
    assert not training.optimizer.state


def test_steps_and_evaluations_that_are_left_are_counted(begin, monkeypatch) -> None:
    monkeypatch.setattr(estimate, "_step_seconds", lambda training, stop: 1.0)
    monkeypatch.setattr(estimate, "_evaluation_seconds", lambda training: 1000.0)
    training = begin("a", max_iters=35, eval_interval=10)
    assert estimate_seconds(training, StopRequest()) == 35 + 5 * 1000  # at 0, 10, 20, 30 and 35
    training.progress = Progress(step=20, evaluated_step=20)
    assert estimate_seconds(training, StopRequest()) == 15 + 2 * 1000
    training.progress = Progress(step=20, evaluated_step=10)
    assert estimate_seconds(training, StopRequest()) == 15 + 3 * 1000
