"""What a GPT is made of, in one frozen object."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from gptcli.config.families import family_of
from gptcli.config.model_checks import check_model
from gptcli.config.rope import RopeScaling
from gptcli.config.switches import Activation, Norm, Positions
from gptcli.errors import UsageError

INIT_STD = 0.02  # of all weights but those that write to the residual stream


@dataclass(frozen=True)
class ModelConfig:
    """The shape of a GPT and the switches between families; the defaults are GPT-2's.

    None in ``n_kv_head``, ``head_dim`` and ``n_inner`` means the usual size, which
    ``key_value_heads``, ``head_size`` and ``inner_size`` give; the usual size given is None.

    - ``dropout`` acts on attention weights and on what attention and MLP add to the stream.
    - ``rope_reversed`` turns rotary pairs the other way, as nanochat does.
    - ``norm`` "rms" has a gain, "plain_rms" no parameters. ``qk_norm`` normalises the queries
      and keys of every head, ``embedding_norm`` the stream before the first block.
    - ``gated`` multiplies the MLP's hidden layer by the activation of a second one (Shazeer
      2020, arXiv:2002.05202). ``n_inner`` 0 leaves the MLP out.
    - ``logit_cap`` c makes of every logit x c tanh(x / c).
    - ``bias`` governs the linear layers of a block and layer norms, ``qkv_bias`` query, key
      and value alone (the lecture leaves them out).
    - ``tied``: token embedding and language-model head are one matrix.
    - Only the lecture's rungs lack the ``residual`` stream, the ``projections`` that write to
      it, or the ``lm_head``: then the stream itself is the logits.
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

    def __post_init__(self) -> None:
        check_model(self)
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
    def _usual_inner_size(self) -> int:
        """4 n_embd; of a gated MLP, which has three matrices, 2/3 of that costs the same."""
        return -(-8 * self.n_embd // 192) * 64 if self.gated else 4 * self.n_embd

    @property
    def model_type(self) -> str:
        """Name in config.json: the family, or one of our own where transformers has none."""
        return family_of(self)

    @classmethod
    def from_fields(cls, values: Mapping[str, Any]) -> "ModelConfig":
        """The inverse of ``dataclasses.asdict``; UsageError for a field that is not known."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(values.keys() - known):
            raise UsageError(f"{unknown[0]!r:.40} is no field of a model")
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
        """One way to write each model, so that equal models compare equal."""
        usual = {
            "n_kv_head": self.n_head,
            "head_dim": self.n_embd / self.n_head,
            "n_inner": self._usual_inner_size,
        }
        for name, size in usual.items():
            if getattr(self, name) == size:
                object.__setattr__(self, name, None)
        object.__setattr__(self, "qkv_bias", self.bias and self.qkv_bias)
