"""A ModelConfig that exists is a model that can be built; a refusal names a way out that works."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptcli.config.model import ModelConfig
from gptcli.errors import UsageError

SIZES = {"n_layer": 2, "n_head": 2, "n_embd": 8, "block_size": 4, "vocab_size": 5}


def make(**changes: object) -> ModelConfig:
    return ModelConfig(**{**SIZES, **changes})


def test_sizes_follow_from_width_and_heads() -> None:
    config = make(n_embd=12, n_head=3)
    assert (config.head_size, config.n_inner) == (4, 48)


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        make().n_layer = 3


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("value", [0, -1, 1.5, "2", None, True])
def test_a_size_that_is_no_positive_whole_number_names_its_flag(name: str, value: object) -> None:
    with pytest.raises(UsageError, match="--" + name.replace("_", "-")):
        make(**{name: value})


@given(st.integers(1, 200), st.integers(1, 200))
def test_where_heads_do_not_divide_both_suggestions_work(n_head: int, n_embd: int) -> None:
    try:
        config = make(n_head=n_head, n_embd=n_embd)
    except UsageError as error:
        message = str(error)
        heads, width = re.search(r"try --n-head (\d+) or --n-embd (\d+)", message).groups()
        assert make(n_head=int(heads), n_embd=n_embd).n_embd == n_embd
        assert make(n_head=n_head, n_embd=int(width)).n_head == n_head
        assert "\n" not in message
    else:
        assert config.head_size * n_head == n_embd


@pytest.mark.parametrize("dropout", [-0.1, 1.0, float("nan"), "much"])
def test_dropout_outside_its_range_names_a_value_that_works(dropout: object) -> None:
    with pytest.raises(UsageError, match="--dropout") as refused:
        make(dropout=dropout)
    suggested = float(str(refused.value).split()[-1])
    assert make(dropout=suggested).dropout == suggested


def test_an_unknown_activation_lists_those_that_work() -> None:
    with pytest.raises(UsageError, match="--activation swish") as refused:
        make(activation="swish")
    for name in str(refused.value).split("choose one of ")[1].split(", "):
        assert make(activation=name).activation == name


def test_absurd_sizes_are_refused_at_once() -> None:
    with pytest.raises(UsageError, match="--n-layer"):
        make(n_layer=10**12, n_embd=4096)


def test_only_a_biased_head_leaves_the_gpt2_family() -> None:
    assert make().model_type == "gpt2"
    assert make(bias=False, tied=False).model_type == "gpt2"
    assert make(lm_head_bias=True).model_type == "gptcli-lecture"
