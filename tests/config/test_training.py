"""A TrainConfig holds nothing that training could not use."""

import pytest

from gptcli.config.training import TrainConfig
from gptcli.errors import UsageError

VALUES = {
    "batch_size": 4,
    "max_iters": 10,
    "lr": 1e-3,
    "min_lr": 1e-4,
    "warmup_iters": 0,
    "eval_interval": 5,
    "device": "cpu",
    "precision": "float32",
}


def make(**changes: object) -> TrainConfig:
    return TrainConfig(**{**VALUES, **changes})


def test_an_iteration_sees_every_micro_batch() -> None:
    assert make(batch_size=4, grad_accum=3).rows_per_iter == 12


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_size", 0),
        ("max_iters", -1),
        ("max_iters", 1.5),
        ("eval_interval", -1),
        ("grad_accum", 0),
        ("warmup_iters", -1),
        ("threads", -1),
        ("seed", -1),
        ("eval_batches", 0),
        ("lr", 0),
        ("lr", -1e-3),
        ("lr", float("nan")),
        ("lr", float("inf")),
        ("min_lr", -1.0),
        ("weight_decay", -0.1),
        ("grad_clip", float("nan")),
        ("beta1", 1.0),
        ("beta2", -0.1),
        ("order", "sorted"),
        ("precision", "int4"),
    ],
)
def test_a_value_that_training_cannot_use_names_its_flag(name: str, value: object) -> None:
    with pytest.raises(UsageError, match="--" + name.replace("_", "-")) as refused:
        make(**{name: value})
    assert "\n" not in str(refused.value)


def test_a_floor_above_the_rate_suggests_one_that_works() -> None:
    with pytest.raises(UsageError, match="--min-lr") as refused:
        make(lr=1e-3, min_lr=1e-2)
    suggested = float(str(refused.value).split()[-1])
    assert make(lr=1e-3, min_lr=suggested).min_lr == suggested


@pytest.mark.parametrize("rate", [0.0, -1])
def test_a_rate_that_is_not_above_zero_is_refused(rate: float) -> None:
    with pytest.raises(UsageError) as refused:
        make(lr=rate, min_lr=0.0)
    assert str(refused.value) == f"--lr must be greater than 0, not {rate:g}"


def test_a_constant_rate_and_no_clipping_are_allowed() -> None:
    config = make(min_lr=1e-3, grad_clip=0.0)
    assert config.min_lr == config.lr
    assert config.grad_clip == 0.0
