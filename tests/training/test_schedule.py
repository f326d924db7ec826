"""The learning rate over the steps."""

import pytest

from gptcli.config.training import TrainConfig
from gptcli.training.schedule import learning_rate


def make(**values: object) -> TrainConfig:
    base = {
        "batch_size": 1, "max_iters": 1000, "lr": 1e-3, "min_lr": 1e-4, "warmup_iters": 100,
        "eval_interval": 100, "device": "cpu", "precision": "float32",
    }  # fmt: skip
    return TrainConfig(**{**base, **values})


def test_it_rises_linearly_then_falls_to_the_minimum() -> None:
    rates = [learning_rate(step, make()) for step in range(1001)]
    assert rates[:101] == sorted(rates[:101])
    assert rates[100:] == sorted(rates[100:], reverse=True)
    assert rates[0] == pytest.approx(1e-3 / 101)
    assert rates[100] == pytest.approx(1e-3)
    assert rates[550] == pytest.approx((1e-3 + 1e-4) / 2)
    assert rates[1000] == pytest.approx(1e-4)


def test_min_lr_equal_to_lr_is_constant() -> None:
    config = make(min_lr=1e-3, warmup_iters=0)
    assert {learning_rate(step, config) for step in range(0, 1000, 50)} == {1e-3}


def test_a_run_shorter_than_its_warm_up_has_a_rate() -> None:
    config = make(max_iters=5, warmup_iters=100)
    assert all(0 < learning_rate(step, config) <= 1e-3 for step in range(6))
