"""What a ModelConfig refuses: every message names the flag, the value and one that works."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, get_args

from gptcli.config.checks import (
    check_choice,
    check_fraction,
    check_positive,
    check_switch,
    check_whole,
)
from gptcli.config.rope import RopeScaling
from gptcli.config.switches import Activation, Norm, Positions
from gptcli.errors import UsageError

if TYPE_CHECKING:
    from gptcli.config.model import ModelConfig

# Far beyond every model; all of them at once stay below 10^18 parameters.
LARGEST_SIZES: Mapping[str, int] = MappingProxyType(
    {
        "n_layer": 10_000,
        "n_head": 10**6,
        "n_embd": 10**6,
        "block_size": 10**9,
        "vocab_size": 10**9,
    }
)
_WIDEST = 4 * 10**6  # all heads together, or the MLP's hidden layer
_CHOICES = {"activation": Activation, "norm": Norm, "positions": Positions}
_SWITCHES = (
    "rope_reversed", "qk_norm", "embedding_norm", "gated", "bias", "qkv_bias",
    "lm_head_bias", "tied", "residual", "projections", "lm_head",
)  # fmt: skip


def check_model(config: "ModelConfig") -> None:
    """UsageError unless this is a model that can be built."""
    _check_sizes(config)
    _check_switches(config)
    _check_heads(config)
    if not config.projections:
        _check_without_projections(config)
    if not config.lm_head:
        _check_without_head(config)


def _check_sizes(config: "ModelConfig") -> None:
    for name, most in LARGEST_SIZES.items():
        is_table = name == "n_layer" and config.lm_head is False
        check_whole(name, getattr(config, name), 0 if is_table else 1, most)
    for name, least in (("n_kv_head", 1), ("head_dim", 1), ("n_inner", 0)):
        if getattr(config, name) is not None:
            check_whole(name, getattr(config, name), least, _WIDEST)


def _check_switches(config: "ModelConfig") -> None:
    for name in _SWITCHES:
        check_switch(name, getattr(config, name))
    for name, choices in _CHOICES.items():
        check_choice(name, getattr(config, name), get_args(choices))
    check_fraction("dropout", config.dropout, 0.1)
    check_positive("norm_epsilon", config.norm_epsilon)
    check_positive("rope_theta", config.rope_theta)
    if config.logit_cap is not None:
        check_positive("logit_cap", config.logit_cap)
    if not isinstance(config.rope_scaling, RopeScaling | None):
        raise UsageError(f"rope_scaling must be a RopeScaling, not {config.rope_scaling!r:.40}")


def _check_heads(config: "ModelConfig") -> None:
    n_head, n_embd = config.n_head, config.n_embd
    if n_embd % n_head:  # with --head-dim too: transformers' LlamaConfig insists on it
        nearest, wider = _nearest_divisor(n_embd, n_head), -(-n_embd // n_head) * n_head
        raise UsageError(
            f"--n-head {n_head} does not divide --n-embd {n_embd}: "
            f"try --n-head {nearest} or --n-embd {wider}"
        )
    if n_head % config.key_value_heads:
        nearest = _nearest_divisor(n_head, config.key_value_heads)
        raise UsageError(
            f"--n-kv-head {config.n_kv_head} does not divide --n-head {n_head}: "
            f"try --n-kv-head {nearest}"
        )
    if n_head * config.head_size > _WIDEST:
        raise UsageError(f"--head-dim {config.head_dim} is too large for {n_head} heads")
    if config.positions == "rotary" and config.head_size % 2:
        even = config.head_size + 1
        way = f"--n-embd {n_head * even}" if config.head_dim is None else f"--head-dim {even}"
        raise UsageError(
            f"--n-head {n_head} has heads of {config.head_size}, and rotary positions turn "
            f"pairs of numbers: try {way}"
        )


def _check_without_projections(config: "ModelConfig") -> None:
    if config.n_head * config.head_size != config.n_embd:
        raise UsageError(f"--head-dim {config.head_dim} needs projections: leave it out")
    if config.inner_size not in (0, config.n_embd):
        raise UsageError(
            f"--n-inner {config.inner_size} needs projections, which this model lacks: "
            f"try --n-inner {config.n_embd}"
        )


def _check_without_head(config: "ModelConfig") -> None:
    """The stream itself is the logits."""
    if config.tied or config.lm_head_bias:
        raise UsageError("a model without lm_head can neither be tied nor have the head's bias")
    if config.n_embd != config.vocab_size:
        raise UsageError(
            f"--n-embd {config.n_embd} is not the vocabulary's {config.vocab_size}, but this "
            f"model's stream is its logits: try --n-embd {config.vocab_size}"
        )


def _nearest_divisor(number: int, wanted: int) -> int:
    divisors = [n for n in range(1, min(number, 4 * wanted) + 1) if number % n == 0]
    return min(divisors, key=lambda n: abs(n - wanted))
