"""A SamplingConfig holds nothing that sampling could not use."""

import pytest

from gptcli.config.sampling import SamplingConfig
from gptcli.errors import UsageError


def test_the_defaults_are_valid_and_keep_the_whole_vocabulary() -> None:
    assert SamplingConfig().top_k is None


@pytest.mark.parametrize("values", [{"temperature": 0.0}, {"max_new_tokens": 0}, {"top_k": 1}])
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
    ],
)
def test_a_value_that_sampling_cannot_use_names_its_flag(name: str, value: object) -> None:
    with pytest.raises(UsageError, match="--" + name.replace("_", "-")):
        SamplingConfig(**{name: value})
