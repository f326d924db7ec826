"""Every preset is a model and training values that the configuration accepts."""

import pytest

from gptcli.config.training import TrainConfig
from gptcli.errors import UsageError
from gptcli.families.registry import PRESETS, find_preset


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_found_by_its_name_and_its_training_values_are_accepted(name: str) -> None:
    preset = find_preset(name)
    needed = {
        "batch_size": 1,
        "max_iters": 1,
        "lr": 1e-3,
        "min_lr": 1e-4,
        "warmup_iters": 0,
        "eval_interval": 1,
        "device": "cpu",
        "precision": "float32",
    }
    config = TrainConfig(**{**needed, **preset.training})
    assert all(getattr(config, key) == value for key, value in preset.training.items())


@pytest.mark.parametrize(
    ("asked", "meant"),
    [("gpt-2", "gpt2"), ("GPT3", "gpt3"), ("gpt2xl", "gpt2-xl"), ("lectur", "lecture")],
)
def test_a_near_miss_is_told_the_name_that_works(asked: str, meant: str) -> None:
    with pytest.raises(UsageError, match=f"--preset {asked} is unknown: did you mean") as refused:
        find_preset(asked)
    assert meant in str(refused.value)


def test_a_name_like_no_other_is_told_all_of_them() -> None:
    with pytest.raises(UsageError) as refused:
        find_preset("zzz")
    assert all(name in str(refused.value) for name in PRESETS)


def test_the_presets_of_the_gpt3_paper_are_named_in_a_note_where_its_table_is_wrong() -> None:
    assert "24 heads" in PRESETS["gpt3-xl"].about
    assert "5,140" in PRESETS["gpt3-13b"].about
