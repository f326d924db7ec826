"""Objectives check themselves, and come back from train.json as they were."""

import pytest

from gptcli.config.objective import (
    LM,
    GroupPolicy,
    PreferenceOptimization,
    ProximalPolicy,
    RewardModeling,
    objective_fields,
    objective_from,
)
from gptcli.errors import UsageError

EVERY = (
    LM,
    RewardModeling(),
    PreferenceOptimization(0.3),
    ProximalPolicy("runs/reward", 12, epochs=3, missing_eos_penalty=0.0),
    GroupPolicy(8, group_size=4, kl_coef=0.1),
)


@pytest.mark.parametrize("config", EVERY, ids=lambda one: one.name)
def test_what_is_written_is_read_as_the_same(config) -> None:
    written = objective_fields(config)
    assert written["name"] == config.name
    assert objective_from(written) == config


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"name": "sft"}, "--objective sft is unknown"),
        ({"name": "dpo", "kl_coef": 1.0}, "'kl_coef' is not a value of --objective dpo"),
        ({"name": "dpo", "beta": -1.0}, "--beta must be greater than 0"),
        ({"name": "grpo", "max_new_tokens": 8, "group_size": 1}, "--group-size must be at least 2"),
        ({"name": "grpo", "max_new_tokens": 0}, "--max-new-tokens must be at least 1"),
        ({"name": "grpo", "max_new_tokens": 8, "reward": 1}, "is not the name of a rule or a run"),
        ({"name": "ppo", "reward": "exact", "max_new_tokens": 8, "clip": 0.0}, "--clip must be"),
        ({"name": "ppo", "reward": "exact", "max_new_tokens": 8, "kl_coef": -0.1}, "--kl-coef"),
        ({"name": "ppo", "reward": "exact", "max_new_tokens": 8, "epochs": 0}, "--epochs must be"),
    ],
)
def test_what_is_no_objective_is_refused(values, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        objective_from(values)


def test_a_figure_to_be_raised_decides_by_its_opposite() -> None:
    policy = GroupPolicy(8)
    assert policy.judged(-0.75) == 0.75
    assert RewardModeling().judged(0.5) == 0.5
