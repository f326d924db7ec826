"""Which model is meant: every switch may be given, and what cannot be is refused at once."""

import pytest

from gptcli.errors import UsageError
from gptcli.families.registry import FAMILIES, PRESETS, family_of, find_preset
from gptcli.training.defaults import resolve


def choose(preset: str | None = None, **given):
    model = find_preset(preset) if preset else None
    return resolve(given, model, 65, "cuda", "float32", 0)


@pytest.mark.parametrize(
    ("given", "family"),
    [
        ({}, "gpt2"),
        ({"norm": "rms"}, "llama"),
        ({"norm": "rms", "qk_norm": True}, "qwen3"),
        ({"positions": "rotary", "activation": "relu_squared", "gated": False}, "nanochat"),
        ({"n_kv_head": 2}, "llama"),
        ({"head_lr": 1e-2}, "llama"),
        ({"gated": True, "positions": "none"}, "gptcli-custom"),
        ({"norm": "rms", "bias": True}, "gptcli-custom"),
    ],
)
def test_the_first_family_that_can_have_all_that_is_given_is_chosen(given, family) -> None:
    resolved = choose(**given)
    assert family_of(resolved.model).name == family
    assert all(
        getattr(resolved.model, name) == value
        for name, value in given.items()
        if not name.endswith("lr")
    )
    if given:
        assert resolved.notes[0].startswith(f"family: {family}")
    else:
        assert resolved.notes == ()


@pytest.mark.parametrize(
    ("given", "family", "why"),
    [
        ({}, "nanochat", "the best that was measured here (--family gpt2 for the classic)"),
        ({"n_layer": 2, "dropout": 0.1, "n_kv_head": 2, "bias": False}, "nanochat", "the best"),
        ({"optimizer": "adamw", "tied": False}, "nanochat", "the best"),
        ({"bias": True}, "gpt2", "for --bias"),
        ({"tied": True}, "gpt2", "for --tied"),
        ({"activation": "gelu"}, "gpt2", "for --activation gelu"),
        ({"activation": "silu"}, "gpt2", "for --activation silu"),
        ({"n_embd": 129, "n_head": 3}, "gpt2", "for --n-embd 129 --n-head 3"),
        ({"n_embd": 129}, "gpt2", "for --n-embd 129"),
        ({"vector_lr": 1e-3}, "gpt2", "for --vector-lr 0.001"),
        ({"head_dim": 16}, "llama", "for --head-dim 16"),
        ({"norm": "rms", "bias": True}, "gptcli-custom", "which only gptcli loads, for --norm rms"),
    ],
)
def test_a_cpu_gets_the_best_that_was_measured_where_the_flags_allow_it(given, family, why) -> None:
    resolved = resolve(given, None, 65, "cpu", "float32", 2)
    assert family_of(resolved.model).name == family
    assert resolved.notes[0].startswith(f"family: {family}")
    assert why in resolved.notes[0]
    by_muon = family == "nanochat" and "optimizer" not in given
    assert resolved.training.optimizer == ("muon" if by_muon else "adamw")


def test_what_no_family_can_have_is_an_error_whose_advice_works() -> None:
    with pytest.raises(UsageError, match="--n-head 2 does not divide --n-embd 129: try --n-head 1"):
        resolve({"n_embd": 129, "n_head": 2}, None, 65, "cpu", "float32", 2)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize(
    "changes", [{"norm": "plain_rms"}, {"positions": "none"}, {"activation": "relu"}]
)
def test_a_preset_is_a_starting_point_of_which_any_part_may_change(name, changes) -> None:
    before = choose(name).model
    resolved = choose(name, **changes)
    differing = {
        field
        for field in before.__dataclass_fields__
        if getattr(before, field) != getattr(resolved.model, field)
    }
    rope = {"rope_theta", "rope_scaling", "rope_reversed"}
    assert differing <= {*changes} | (rope if "positions" in changes else set())
    is_same_family = family_of(find_preset(name).model) == family_of(resolved.model)
    assert (not resolved.notes) == is_same_family


def test_a_preset_with_every_switch_of_another_family_is_of_that_family() -> None:
    switches = {"positions": "learned", "norm": "layer", "gated": False, "activation": "gelu"}
    model = choose("smollm2-135m", **switches, norm_epsilon=1e-5).model
    assert family_of(model).name == "gptcli-custom"  # grouped queries
    assert family_of(choose("smollm2-135m", **switches, n_kv_head=9).model).name == "gpt2"


@pytest.mark.parametrize("family", ["gpt2", "llama", "qwen3", "nanochat"])
def test_a_switch_that_the_named_family_has_fixed_is_refused_with_the_way_out(family) -> None:
    with pytest.raises(UsageError, match=f"in a {family} model: leave --family out") as refused:
        choose(family=family, norm="none")
    assert "--norm none" in str(refused.value)
    assert choose(norm="none").model.norm == "none"


@pytest.mark.parametrize(
    ("preset", "given", "words"),
    [
        ("lecture-residual", {"qk_norm": True}, "--qk-norm has no effect in a model without norms"),
        ("lecture-head", {"gated": True}, "--gated has no effect in a model without an MLP"),
        ("lecture-bigram", {"gated": True}, "without an MLP"),
        ("lecture-bigram", {"qk_norm": True}, "without attention"),
        ("lecture-bigram", {"positions": "rotary"}, "heads of 65"),
        (None, {"norm": "none", "qk_norm": True}, "--qk-norm has no effect"),
    ],
)
def test_a_switch_that_would_change_nothing_is_refused(preset, given, words) -> None:
    with pytest.raises(UsageError, match=words):
        choose(preset, **given)


def test_without_norms_queries_and_keys_have_none_either() -> None:
    model = choose("qwen3-0.6b", norm="none").model
    assert not model.qk_norm
    assert model == choose("qwen3-0.6b", norm="none", qk_norm=False).model


def test_what_a_family_allows_is_what_its_members_have() -> None:
    assert FAMILIES["llama"].allows("norm", "rms")
    assert not FAMILIES["llama"].allows("norm", "layer")
    assert FAMILIES["gpt2"].allows("tied", value=False)
