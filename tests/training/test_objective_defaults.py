"""What an objective is given where nothing is said: batches, iterations, rates, and no decay."""

import pytest

from gptcli.config.model import ModelConfig
from gptcli.config.objective import OBJECTIVES, GroupPolicy, RewardModeling
from gptcli.errors import UsageError
from gptcli.training.defaults import Material, Resolved
from gptcli.training.objective_defaults import resolve_objective
from gptcli.training.usual_rates import usual_rate

START = ModelConfig(
    n_layer=2, n_head=4, n_embd=256, block_size=128, vocab_size=100, dropout=0.1, logit_cap=15.0
)


def resolved(name: str, device: str = "cpu", n_rows: int = 1000, **given: object) -> Resolved:
    machine = {"device": device, "precision": "float32", "threads": 0}
    if name == "ppo":
        given.setdefault("reward", "exact")
    return resolve_objective(OBJECTIVES[name], given, START, machine, Material(n_rows, 0, 11, 40))


@pytest.mark.parametrize(
    ("name", "batches", "iters", "slower"),
    [
        ("reward", (32, 1), 32, 10),
        ("dpo", (32, 1), 32, 750),
        ("ppo", (128, 1), 120, 50),
        ("grpo", (256, 1), 200, 24),
    ],
)
def test_defaults_are_those_that_were_measured(name, batches, iters, slower) -> None:
    training = resolved(name).training
    assert (training.batch_size, training.grad_accum) == batches
    assert training.max_iters == iters
    assert training.lr == pytest.approx(usual_rate(START) / slower, rel=0.05)
    assert (training.weight_decay, training.optimizer) == (0.0, "adamw")
    assert resolved(name).model.dropout == 0.0


def test_a_policy_takes_all_rows_at_once_and_room_from_the_data() -> None:
    found = resolved("grpo", "cuda")
    assert (found.training.batch_size, found.training.grad_accum) == (256, 1)
    assert isinstance(found.objective, GroupPolicy)
    assert found.objective.max_new_tokens == 11
    assert found.filled["max_new_tokens"] == 11


def test_one_of_batch_and_accumulation_may_be_given() -> None:
    rows = [
        resolved("grpo", **given).training
        for given in ({"batch_size": 16}, {"grad_accum": 8}, {"batch_size": 16, "grad_accum": 2})
    ]
    found = [(one.batch_size, one.grad_accum) for one in rows]
    assert found == [(16, 1), (32, 8), (16, 2)]


def test_an_epoch_of_pairs_is_the_default_and_the_most_that_a_time_is_spent_on() -> None:
    assert resolved("dpo", n_rows=65).training.max_iters == 3
    timed = resolved("dpo", n_rows=65, time_budget=60.0)
    assert (timed.most_iters, timed.training.schedule) == (3, "wsd")
    assert resolved("grpo", time_budget=60.0).most_iters is None


def test_a_reward_model_has_a_score_in_place_of_its_head() -> None:
    model = resolved("reward").model
    assert model.score
    assert not model.tied
    assert isinstance(resolved("reward").objective, RewardModeling)


@pytest.mark.parametrize(("size", "way"), [(7, "--group-size 8"), (300, "--group-size 256")])
def test_groups_that_do_not_divide_an_iteration_name_the_nearest_that_do(size, way) -> None:
    with pytest.raises(UsageError, match=f"try {way}"):
        resolved("grpo", group_size=size)


def test_groups_of_a_prime_number_of_rows_are_told_how_many_rows_to_take() -> None:
    with pytest.raises(UsageError, match="try --group-size 7"):
        resolved("grpo", batch_size=7, group_size=2)
    with pytest.raises(UsageError, match="take 16 rows"):
        resolved("grpo", batch_size=1)
