"""A ModelConfig that exists is a model that can be built; a refusal names a way out that works."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptcli.config.model import ModelConfig
from gptcli.config.rope import RopeScaling
from gptcli.errors import UsageError

SIZES = {"n_layer": 2, "n_head": 2, "n_embd": 8, "block_size": 4, "vocab_size": 5}


def make(**changes: object) -> ModelConfig:
    return ModelConfig(**{**SIZES, **changes})


def test_sizes_follow_from_width_and_heads() -> None:
    config = make(n_embd=12, n_head=3)
    assert (config.head_size, config.key_value_heads, config.inner_size) == (4, 3, 48)
    gated = make(n_embd=12, n_head=3, gated=True)
    assert (gated.inner_size, make(n_embd=768, n_head=12, gated=True).inner_size) == (64, 2048)


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


def test_the_usual_sizes_spelled_out_make_an_equal_model() -> None:
    spelled = make(n_kv_head=2, head_dim=4, n_inner=32)
    assert spelled == make()
    assert spelled.whole()["n_inner"] == 32
    assert replace(spelled, n_embd=16).inner_size == 64


@given(st.integers(1, 40), st.integers(1, 40))
def test_key_value_heads_that_do_not_divide_are_told_a_number_that_does(n: int, k: int) -> None:
    try:
        config = make(n_head=n, n_embd=4 * n, n_kv_head=k)
    except UsageError as error:
        works = int(re.search(r"try --n-kv-head (\d+)", str(error)).group(1))
        assert make(n_head=n, n_embd=4 * n, n_kv_head=works).key_value_heads == works
    else:
        assert n % config.key_value_heads == 0


@pytest.mark.parametrize("more", [{"n_embd": 10}, {"head_dim": 3}])
def test_rotary_positions_need_even_heads_and_say_which(more: dict) -> None:
    with pytest.raises(UsageError, match="--n-head 2 has heads of") as refused:
        make(positions="rotary", **more)
    name, size = re.search(r"try --(\S+) (\d+)", str(refused.value)).groups()
    works = {**more, name.replace("-", "_"): int(size)}
    assert make(positions="rotary", **works).head_size % 2 == 0


@pytest.mark.parametrize(
    ("changes", "flag"),
    [
        ({"n_kv_head": 0}, "--n-kv-head must be at least"),
        ({"n_inner": -1}, "--n-inner must be at least"),
        ({"head_dim": 10**9}, "--head-dim"),
        ({"norm": "batch"}, "--norm batch"),
        ({"positions": "sinusoidal"}, "--positions sinusoidal"),
        ({"rope_theta": 0.0}, "--rope-theta"),
        ({"rope_theta": float("inf")}, "--rope-theta"),
        ({"norm_epsilon": -1e-5}, "--norm-epsilon"),
        ({"logit_cap": 0}, "--logit-cap"),
        ({"gated": 1}, "gated"),
        ({"rope_scaling": {"factor": 8}}, "rope_scaling"),
        ({"projections": False}, "--n-inner 32"),
        ({"projections": False, "n_inner": 0, "head_dim": 8}, "--head-dim 8"),
        ({"lm_head": False}, "lm_head"),
        ({"score": True}, "tied"),
        ({"lm_head": False, "tied": False}, "--n-embd 8"),
        ({"n_layer": 0}, "--n-layer must be at least"),
    ],
)
def test_what_cannot_be_built_is_refused_by_name(changes: dict, flag: str) -> None:
    with pytest.raises(UsageError, match=flag):
        make(**changes)


@pytest.mark.parametrize(
    "values", [(0.0, 1.0, 4.0, 8), (8.0, 4.0, 1.0, 8), (8.0, 1.0, float("nan"), 8), (8, 1, 4, 0)]
)
def test_a_scaling_that_makes_no_sense_is_refused(values: tuple) -> None:
    with pytest.raises(UsageError, match=r"rope.scaling"):
        RopeScaling(*values)
