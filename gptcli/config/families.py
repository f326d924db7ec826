"""The families of models: a row of switches each, and which of them its members may choose."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import TYPE_CHECKING

from gptcli.config.checks import flag
from gptcli.errors import UsageError

if TYPE_CHECKING:
    from gptcli.config.model import ModelConfig

# Every member of every family chooses these.
_SIZES = ("n_layer", "n_head", "n_embd", "block_size", "vocab_size", "dropout")


@dataclass(frozen=True)
class Family:
    """``switches`` are the values that differ from ModelConfig's defaults.

    Of all switches a member may change only those that are ``free``; for these the row, or
    the default, is what a new model starts from.
    """

    switches: Mapping[str, object]
    free: tuple[str, ...]

    def may_choose(self, name: str) -> bool:
        """Whether a member may have another value than the row's."""
        return name in self.free or name in _SIZES


_LLAMA = MappingProxyType(
    {
        "positions": "rotary",
        "norm": "rms",
        "activation": "silu",
        "gated": True,
        "bias": False,
        "qkv_bias": False,
        "tied": False,
    }
)
_ROTARY_CHOICES = ("n_kv_head", "n_inner", "rope_theta", "rope_scaling", "norm_epsilon", "tied")

FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "gpt2": Family(
            {},
            ("n_inner", "norm_epsilon", "activation", "bias", "qkv_bias", "tied"),
        ),
        "llama": Family(_LLAMA, (*_ROTARY_CHOICES, "head_dim")),
        "qwen3": Family(
            {**_LLAMA, "qk_norm": True, "norm_epsilon": 1e-6},
            (*_ROTARY_CHOICES, "head_dim"),
        ),
        "nanochat": Family(
            {
                "positions": "rotary",
                "rope_reversed": True,
                "norm": "plain_rms",
                "norm_epsilon": 1e-6,
                "qk_norm": True,
                "embedding_norm": True,
                "activation": "relu_squared",
                "logit_cap": 15.0,
                "bias": False,
                "qkv_bias": False,
                "tied": False,
            },
            (*_ROTARY_CHOICES, "logit_cap"),
        ),
        # Karpathy's lecture and the rungs that lead to its last model.
        "gptcli-lecture": Family(
            {"activation": "relu", "qkv_bias": False, "lm_head_bias": True, "tied": False},
            (
                "n_inner", "positions", "norm", "activation", "bias", "lm_head_bias", "tied",
                "residual", "projections", "lm_head",
            ),
        ),
    }
)  # fmt: skip

CUSTOM = "gptcli-custom"
"""The model_type of what belongs to no family."""

TRAINABLE = tuple(name for name in FAMILIES if not name.startswith("gptcli-"))
"""The families that transformers can build, which --family offers."""


def family_of(config: "ModelConfig") -> str:
    """The first family that the configuration is a member of, else CUSTOM."""
    for name, family in FAMILIES.items():
        if all(_agrees(config, field.name, field.default, family) for field in fields(config)):
            return name
    return CUSTOM


def _agrees(config: "ModelConfig", name: str, default: object, family: Family) -> bool:
    wanted = family.switches.get(name, default)
    return family.may_choose(name) or getattr(config, name) == wanted


def check_choices(model_type: str, given: Mapping[str, object]) -> None:
    """UsageError where a flag in ``given`` changes a switch that the family has fixed."""
    family = FAMILIES.get(model_type)
    for name, value in given.items():
        if family and not family.may_choose(name) and value != family.switches.get(name):
            others = [other for other in TRAINABLE if FAMILIES[other].may_choose(name)]
            only = f", only of {' and '.join(others)} models" if others else ""
            shown = flag(name) if value is True else f"{flag(name)} {value}"
            raise UsageError(f"{shown} is no choice of a {model_type} model{only}: leave it out")
