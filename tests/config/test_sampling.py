"""A SamplingConfig holds nothing that sampling could not use."""

import pytest

from gptcli.config.sampling import SamplingConfig
from gptcli.errors import UsageError


def test_the_defaults_are_valid_and_keep_the_whole_vocabulary() -> None:
    assert SamplingConfig().top_k is None


@pytest.mark.parametrize(
    "values",
    [
        {"temperature": 0.0},
        {"max_new_tokens": 0},
        {"top_k": 1},
        {"top_p": 1e-9},
        {"top_p": 1.0},
        {"min_p": 1.0},
        {"logprobs": 0},
    ],
)
def test_the_least_of_each_is_allowed(values: dict) -> None:
    SamplingConfig(**values)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -1.0),
        ("temperature", float("nan")),
        ("temperature", float("inf")),
        ("max_new_tokens", -1),
        ("num_samples", 0),
        ("top_k", 0),
        ("top_k", 2.5),
        ("seed", -1),
        ("top_p", 0.0),
        ("top_p", 1.01),
        ("top_p", float("nan")),
        ("min_p", -0.1),
        ("min_p", 1.01),
        ("min_p", float("nan")),
        ("repetition_penalty", 0.0),
        ("repetition_penalty", float("nan")),
        ("stop", ("a", "")),
        ("logprobs", -1),
    ],
)
def test_a_value_that_sampling_cannot_use_names_its_flag(name: str, value: object) -> None:
    with pytest.raises(UsageError, match="--" + name.replace("_", "-")):
        SamplingConfig(**{name: value})


@pytest.mark.parametrize("name", ["top_k", "logprobs"])
def test_more_tokens_than_there_are_name_the_flag_and_the_most(name: str) -> None:
    SamplingConfig(**{name: 65}).check_fits(65)
    with pytest.raises(UsageError, match=f"--{name.replace('_', '-')} 66 .* 65"):
        SamplingConfig(**{name: 66}).check_fits(65)
