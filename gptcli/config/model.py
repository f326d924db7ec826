"""The configuration of a GPT in one frozen object, which refuses impossible models."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from types import MappingProxyType
from typing import Any, Literal, get_args

from gptcli.config.checks import (
    check_choice,
    check_fraction,
    check_positive,
    check_switch,
    check_whole,
)
from gptcli.config.rope import RopeScaling
from gptcli.errors import UsageError

Activation = Literal["gelu_tanh", "gelu", "relu", "relu_squared", "silu"]
Norm = Literal["layer", "rms", "plain_rms", "none"]
Positions = Literal["learned", "rotary", "none"]

ACTIVATIONS: tuple[str, ...] = get_args(Activation)
NORMS: tuple[str, ...] = get_args(Norm)
POSITIONS: tuple[str, ...] = get_args(Positions)

INIT_STD = 0.02  # of all weights but those that write to the residual stream
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


@dataclass(frozen=True)
class ModelConfig:
    """The shape of a GPT and the switches between families; the defaults are GPT-2's.

    None in ``n_kv_head``, ``head_dim`` and ``n_inner`` means the usual size, which
    ``key_value_heads``, ``head_size`` and ``inner_size`` give; the usual size given is None.

    - ``dropout`` acts on attention weights and on what attention and MLP add to the stream.
    - ``rope_reversed`` rotates pairs in the other direction, as nanochat does.
    - ``norm`` "rms" has a gain, "plain_rms" no parameters. ``qk_norm`` normalises the queries
      and keys of every head, ``embedding_norm`` the stream before the first block.
    - ``gated`` multiplies the MLP's hidden layer by the activation of a second one (Shazeer
      2020, arXiv:2002.05202). ``n_inner`` 0 leaves the MLP out.
    - ``logit_cap`` c replaces every logit x by c tanh(x / c).
    - ``bias`` is for the linear layers of a block and layer norms, ``qkv_bias`` for query, key
      and value alone (the lecture has none there).
    - ``tied``: token embedding and language-model head share one matrix.
    - ``score``: a reward or value model, which has one number per position in place of logits.
    - Only models of the lecture's ladder lack the ``residual`` stream, the ``projections`` that
      write to it, or the ``lm_head``: then the stream itself is the logits.
    """

    n_layer: int
    n_head: int
    n_embd: int
    block_size: int
    vocab_size: int
    n_kv_head: int | None = None
    head_dim: int | None = None
    n_inner: int | None = None
    dropout: float = 0.0
    positions: Positions = "learned"
    rope_theta: float = 10_000.0
    rope_scaling: RopeScaling | None = None
    rope_reversed: bool = False
    norm: Norm = "layer"
    norm_epsilon: float = 1e-5
    qk_norm: bool = False
    embedding_norm: bool = False
    activation: Activation = "gelu_tanh"
    gated: bool = False
    logit_cap: float | None = None
    bias: bool = True
    qkv_bias: bool = True
    lm_head_bias: bool = False
    tied: bool = True
    residual: bool = True
    projections: bool = True
    lm_head: bool = True
    score: bool = False

    def __post_init__(self) -> None:
        _check_model(self)
        self._make_canonical()

    @property
    def key_value_heads(self) -> int:
        """Heads of keys and of values, each shared by n_head / n_kv_head queries."""
        return self.n_kv_head or self.n_head

    @property
    def head_size(self) -> int:
        """Width of one head's query, key and value."""
        return self.head_dim or self.n_embd // self.n_head

    @property
    def inner_size(self) -> int:
        """Width of the MLP's hidden layer, 0 without one."""
        return self._usual_inner_size if self.n_inner is None else self.n_inner

    @property
    def n_outputs(self) -> int:
        """How many numbers it computes for each position: a logit for each token, or a score."""
        return 1 if self.score else self.vocab_size

    @property
    def _usual_inner_size(self) -> int:
        """4 n_embd; 2/3 of that in a gated MLP, which has three matrices, for the same cost."""
        return -(-8 * self.n_embd // 192) * 64 if self.gated else 4 * self.n_embd

    def scoring(self) -> "ModelConfig":
        """The reward or value model with the same trunk, which has a score in place of the head."""
        return replace(
            self, score=True, tied=False, lm_head=True, lm_head_bias=False, logit_cap=None
        )

    @classmethod
    def from_fields(cls, values: Mapping[str, Any]) -> "ModelConfig":
        """The inverse of ``dataclasses.asdict``; UsageError for a field that is not known."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(values.keys() - known):
            raise UsageError(f"{unknown[0]!r:.40} is not a field of a model")
        scaling = values.get("rope_scaling")
        if isinstance(scaling, dict):
            values = {**values, "rope_scaling": RopeScaling.from_fields(scaling)}
        return cls(**values)

    def whole(self) -> dict[str, Any]:
        """Every field by name, with numbers in place of None for the usual sizes."""
        return {
            **asdict(self),
            "n_kv_head": self.key_value_heads,
            "head_dim": self.head_size,
            "n_inner": self.inner_size,
        }

    def _make_canonical(self) -> None:
        """Replace usual sizes by None, so that equal models compare equal."""
        usual = {
            "n_kv_head": self.n_head,
            "head_dim": self.n_embd / self.n_head,
            "n_inner": self._usual_inner_size,
        }
        for name, size in usual.items():
            if getattr(self, name) == size:
                object.__setattr__(self, name, None)
        object.__setattr__(self, "qkv_bias", self.bias and self.qkv_bias)


def _check_model(config: ModelConfig) -> None:
    """Raise UsageError unless this is a model that can be built."""
    _check_sizes(config)
    _check_switches(config)
    _check_heads(config)
    if not config.projections:
        _check_without_projections(config)
    if not config.lm_head:
        _check_without_head(config)
    if config.score and (config.tied or config.lm_head_bias or not config.lm_head):
        raise UsageError("a model with a score has no lm_head: neither a tied one nor its bias")


def _check_sizes(config: ModelConfig) -> None:
    for name, most in LARGEST_SIZES.items():
        is_table = name == "n_layer" and config.lm_head is False
        check_whole(name, getattr(config, name), 0 if is_table else 1, most)
    for name, least in (("n_kv_head", 1), ("head_dim", 1), ("n_inner", 0)):
        if getattr(config, name) is not None:
            check_whole(name, getattr(config, name), least, _WIDEST)


def _check_switches(config: ModelConfig) -> None:
    for field in fields(config):
        if isinstance(field.default, bool):
            check_switch(field.name, getattr(config, field.name))
    for name, choices in _CHOICES.items():
        check_choice(name, getattr(config, name), get_args(choices))
    check_fraction("dropout", config.dropout, 0.1)
    check_positive("norm_epsilon", config.norm_epsilon)
    if config.norm_epsilon >= 1:  # it would outweigh the numbers that it is added to
        raise UsageError(f"--norm-epsilon must be below 1, not {config.norm_epsilon:g}")
    check_positive("rope_theta", config.rope_theta)
    if config.logit_cap is not None:
        check_positive("logit_cap", config.logit_cap)
    if not isinstance(config.rope_scaling, RopeScaling | None):
        raise UsageError(f"rope_scaling must be a RopeScaling, not {config.rope_scaling!r:.40}")


def _check_heads(config: ModelConfig) -> None:
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


def _check_without_projections(config: ModelConfig) -> None:
    if config.n_head * config.head_size != config.n_embd:
        raise UsageError(f"--head-dim {config.head_dim} needs projections: leave it out")
    if config.inner_size not in (0, config.n_embd):
        raise UsageError(
            f"--n-inner {config.inner_size} needs projections, which this model lacks: "
            f"try --n-inner {config.n_embd}"
        )


def _check_without_head(config: ModelConfig) -> None:
    """Raise UsageError unless the stream itself can be the logits."""
    if config.tied or config.lm_head_bias:
        raise UsageError("a model without lm_head can neither be tied nor have the head's bias")
    if config.n_embd != config.vocab_size:
        raise UsageError(
            f"--n-embd {config.n_embd} is not the size of the vocabulary, but this model's "
            "stream is its logits: leave --n-embd out"
        )


def _nearest_divisor(number: int, wanted: int) -> int:
    divisors = [n for n in range(1, min(number, 4 * wanted) + 1) if number % n == 0]
    return min(divisors, key=lambda n: abs(n - wanted))
