"""Which model the flags of ``train`` mean: a preset's or a family's, changed by what is given.

A preset is a starting point: any part of it may be changed, and the model then belongs to the
family that has such models. Without preset and family, the first family is taken that can have
everything that was given, and in the end gptcli-custom, which can.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from gptcli.config.checks import check_choice, flag, flag_with
from gptcli.config.model import LARGEST_SIZES, ModelConfig
from gptcli.config.training import RATES
from gptcli.errors import UsageError
from gptcli.families.family import Family, Preset
from gptcli.families.registry import CUSTOM, FAMILIES, TRAINABLE, check_choices, family_of
from gptcli.families.shapes import parameter_groups
from gptcli.training.recipe import BEST_FAMILY, CLASSIC_FAMILY, Values

MODEL_FLAGS = tuple(f.name for f in fields(ModelConfig) if f.name != "vocab_size")

_OF_ROTARY = ("rope_theta", "rope_scaling", "rope_reversed")


@dataclass(frozen=True)
class ModelChoice:
    """A model, and what tells the user why it is this one, if he did not name it."""

    model: ModelConfig
    note: str | None = None


def model_of_preset(preset: Preset, given: Values, base: Values, vocab_size: int) -> ModelChoice:
    """The preset's model with the given changes; UsageError where they do not go together."""
    family = family_of(preset.model)
    if given.get("family", family.name) != family.name:
        raise UsageError(
            f"--family {given['family']} and --preset both choose a model: leave one of them out"
        )
    if "family" in given:
        _check_fixed(family, given)
    start = {field.name: getattr(preset.model, field.name) for field in fields(ModelConfig)}
    if not preset.model.lm_head:
        del start["n_embd"]  # the stream is the logits, as wide as the vocabulary
    model = _built(start, given, base, vocab_size)
    if family.has_member(model):
        return ModelChoice(model)
    changed = [name for name in _given_of_model(given) if not family.allows(name, given[name])]
    return ModelChoice(model, _said(family_of(model), changed, given))


def model_of_family(
    name: str, given: Values, bases: Mapping[str, Values], vocab_size: int
) -> ModelChoice:
    """A model of the family that the user chose; UsageError where it cannot be as given."""
    check_choice("family", name, TRAINABLE)
    _check_fixed(FAMILIES[name], given)
    return ModelChoice(_built(FAMILIES[name].switches, given, bases[name], vocab_size))


def fitting_model(
    usual: str, given: Values, bases: Mapping[str, Values], vocab_size: int
) -> ModelChoice:
    """A model of the usual family, unless that cannot have all that is given.

    What stands for the usual one, and is not its measured default, goes to the others as well:
    then GPT-2 is next, as the classic.
    """
    order = dict.fromkeys((usual, CLASSIC_FAMILY, *TRAINABLE))
    candidates = (*(FAMILIES[name] for name in order), CUSTOM)
    problem: UsageError | None = None
    for family in candidates:
        if family.name == BEST_FAMILY == usual and _differing(family, given):
            continue
        try:
            model = _built(family.switches, given, bases[family.name], vocab_size)
            check_rates(given, model)
        except UsageError as error:
            problem = problem or error
            continue
        if family.has_member(model):
            return ModelChoice(model, _reason(family, FAMILIES[usual], given))
    assert problem is not None, "gptcli-custom can have every switch"
    raise problem


def check_rates(given: Values, model: ModelConfig) -> None:
    """Raise UsageError for the rate of a group of parameters that the model does not have."""
    groups = parameter_groups(model)
    for name, group in RATES.items():
        if given.get(name) and group not in groups:
            has = ", ".join(flag(rate) for rate, one in RATES.items() if one in groups)
            raise UsageError(
                f"{flag(name)} is of no use: this model has no parameters of the group {group} "
                f"(it has {has} and --lr)"
            )


def _check_fixed(family: Family, given: Values) -> None:
    check_choices(family, _given_of_model(given), "leave --family out, or this flag")


def _given_of_model(given: Values) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name in MODEL_FLAGS}


def _reason(family: Family, usual: Family, given: Values) -> str | None:
    """Why a family was chosen."""
    if family is not usual:
        causes = (
            _differing(usual, given),
            [name for name in RATES if name in given],
            [name for name in ("n_embd", "n_head") if name in given],  # heads of an odd width
            list(_given_of_model(given)),
        )
        return _said(family, next(filter(None, causes)), given)
    if usual.name != BEST_FAMILY:
        return None  # a GPU's, as ever
    return (
        f"family: {family.name}, the best that was measured here "
        f"(--family {CLASSIC_FAMILY} for the classic)"
    )


def _said(family: Family, names: list[str], given: Values) -> str:
    """``family: llama, for --norm rms``."""
    only = "" if family.is_known_to_transformers else ", which only gptcli loads"
    flags = " ".join(flag_with(name, given[name]) for name in names)
    return f"family: {family.name}{only}, for {flags}"


def _differing(family: Family, given: Values) -> list[str]:
    """The given flags that make a model differ from the usual one of a family, sizes apart."""
    return [
        name
        for name, value in _given_of_model(given).items()
        if not family.allows(name, value)
        or (name in family.switches and value != family.usual(name))
    ]


def _built(start: Values, given: Values, base: Values, vocab_size: int) -> ModelConfig:
    """The model of these switches and sizes, the given ones first, then those of ``start``."""
    changes = _given_of_model(given)
    values = {**start, **changes, "vocab_size": vocab_size}
    if values.get("norm") == "none" and "qk_norm" not in changes:
        values |= {"qk_norm": False, "embedding_norm": False}  # there is nothing that would do it
    if values.get("positions", "rotary") != "rotary":
        values = {name: value for name, value in values.items() if name not in _OF_ROTARY}
    for name in ("n_layer", "block_size", "dropout"):
        values.setdefault(name, base[name])
    if not values.get("lm_head", True):
        values.setdefault("n_embd", vocab_size)
    usual = {name: base[name] for name in ("n_head", "n_embd")}
    if values.get("n_kv_head"):  # it must divide the number of heads: rather many
        usual["n_head"] = usual["n_embd"] // base["head_size"]
    if all(values.get(name, value) == value for name, value in usual.items()):
        values = {**usual, **values}
    if "n_head" not in values:
        is_rotary = values.get("positions") == "rotary"
        values["n_head"] = _heads_for(values["n_embd"], base, even=is_rotary)
    values.setdefault("n_embd", base["head_size"] * values["n_head"])
    model = ModelConfig(**values)
    _check_effect(changes, model)
    return model


def _check_effect(given: Values, model: ModelConfig) -> None:
    """Raise UsageError for a switch that changes nothing in this model."""
    has_mlp = model.n_layer > 0 and model.inner_size > 0
    useless = {
        "gated": "without an MLP" if given.get("gated") and not has_mlp else "",
        "qk_norm": "without norms" if given.get("qk_norm") and model.norm == "none" else "",
    }
    if model.n_layer == 0:
        for name, value in (("qk_norm", True), ("positions", "rotary")):
            if given.get(name) == value:
                useless[name] = "without attention"
    for name, why in useless.items():
        if why:
            raise UsageError(
                f"{flag_with(name, given[name])} has no effect in a model {why}: leave it out"
            )


def _heads_for(n_embd: int, base: Values, even: bool) -> int:
    """As many heads as have about the usual width; ``even`` makes the width of a head even."""
    if not 1 <= n_embd <= LARGEST_SIZES["n_embd"]:
        return int(base["n_head"])
    whole = n_embd // 2 if even and n_embd % 2 == 0 else n_embd
    divisors = [n for n in range(1, whole + 1) if whole % n == 0]
    return min(divisors, key=lambda n: abs(n - n_embd / base["head_size"]))
