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


@pytest.mark.parametrize("schedule", ["cosine", "linear", "wsd", "constant"])
def test_every_schedule_rises_to_the_full_rate_and_never_rises_again(schedule: str) -> None:
    config = make(schedule=schedule)
    rates = [learning_rate(step, config) for step in range(1001)]
    assert max(rates) == rates[100] == pytest.approx(1e-3)
    assert rates[100:] == sorted(rates[100:], reverse=True)
    assert rates[1000] == pytest.approx(1e-3 if schedule == "constant" else 1e-4)


def test_wsd_is_flat_and_then_a_straight_line_over_its_share_of_the_steps() -> None:
    config = make(schedule="wsd", decay_fraction=0.4)
    assert learning_rate(600, config) == 1e-3
    assert learning_rate(800, config) == pytest.approx((1e-3 + 1e-4) / 2)
    assert learning_rate(601, config) < 1e-3


def test_linear_is_half_way_down_half_way_through() -> None:
    assert learning_rate(550, make(schedule="linear")) == pytest.approx((1e-3 + 1e-4) / 2)


def test_a_group_falls_in_proportion_to_its_own_rate() -> None:
    config = make()
    for step in (0, 100, 550, 1000):
        expected = 7 * learning_rate(step, config)
        assert learning_rate(step, config, 7e-3) == pytest.approx(expected)
