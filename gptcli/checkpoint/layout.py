"""Which tensors a model's files hold: our parameter names beside Hugging Face's, with shapes.

The only place that knows GPT-2's transposed Conv1D weights and its obligatory biases, and
that other families store query, key and value apart.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from gptcli.config.model import ModelConfig


@dataclass(frozen=True)
class Entry:
    """One tensor of the file.

    It is the whole parameter, or ``shape[0]`` of its rows from ``first_row`` on. ``shape``
    is as the parameter has it; the file holds it ``transposed`` or as it is. An entry that
    is ``absent`` in the model is written as zeros because the file's family demands it.
    """

    parameter: str
    name: str
    shape: tuple[int, ...]
    first_row: int = 0
    transposed: bool = False
    absent: bool = False

    @property
    def file_shape(self) -> tuple[int, ...]:
        """The shape as stored."""
        return self.shape[::-1] if self.transposed else self.shape


_LLAMA = (
    ("token_embedding.", "model.embed_tokens."),
    ("final_norm.", "model.norm."),
    ("blocks.", "model.layers."),
    (".attention_norm.", ".input_layernorm."),
    (".attention.query_norm.", ".self_attn.q_norm."),
    (".attention.key_norm.", ".self_attn.k_norm."),
    (".attention.query.", ".self_attn.q_proj."),
    (".attention.key.", ".self_attn.k_proj."),
    (".attention.value.", ".self_attn.v_proj."),
    (".attention.output.", ".self_attn.o_proj."),
    (".mlp_norm.", ".post_attention_layernorm."),
)
_NAMES: Mapping[str, tuple[tuple[str, str], ...]] = MappingProxyType(
    {
        "gpt2": (
            ("token_embedding.", "transformer.wte."),
            ("position_embedding.", "transformer.wpe."),
            ("final_norm.", "transformer.ln_f."),
            ("blocks.", "transformer.h."),
            (".attention_norm.", ".ln_1."),
            (".attention.query_key_value.", ".attn.c_attn."),
            (".attention.output.", ".attn.c_proj."),
            (".mlp_norm.", ".ln_2."),
            (".mlp.up.", ".mlp.c_fc."),
            (".mlp.down.", ".mlp.c_proj."),
        ),
        "llama": (
            *_LLAMA,
            (".mlp.gate.", ".mlp.gate_proj."),
            (".mlp.up.", ".mlp.up_proj."),
            (".mlp.down.", ".mlp.down_proj."),
        ),
        "nanochat": (*_LLAMA, (".mlp.up.", ".mlp.fc1."), (".mlp.down.", ".mlp.fc2.")),
    }
)
_SAME_NAMES = MappingProxyType({"qwen3": "llama"})
_HEAD = "lm_head.weight"
# Masks and frequencies that older releases of transformers stored beside the weights.
_NO_WEIGHTS = (".attn.bias", ".attn.masked_bias", ".rotary_emb.inv_freq")


def file_layout(config: ModelConfig) -> list[Entry]:
    """Every tensor that model.safetensors holds for this model."""
    family = _SAME_NAMES.get(config.model_type, config.model_type)
    entries = list(_parameters(config))
    if family == "gpt2":
        return [_transposed(_renamed(entry, family)) for entry in entries]
    entries = [entry for entry in entries if not entry.absent]
    if family not in _NAMES:
        return entries
    return [_renamed(part, family) for entry in entries for part in _parts(entry, config)]


def canonical_name(name: str, config: ModelConfig) -> str | None:
    """The layout's name for a tensor that other programs wrote; None for what is no weight.

    A tied head is the token embedding. GPT-2's first release has no "transformer.".
    """
    family = _SAME_NAMES.get(config.model_type, config.model_type)
    if family in _NAMES and name.endswith(_NO_WEIGHTS):
        return None
    if name == _HEAD:
        return _rename("token_embedding.weight", family) if config.tied else name
    if family == "gpt2" and not name.startswith("transformer."):
        return f"transformer.{name}"
    return name


def _parameters(config: ModelConfig) -> Iterator[Entry]:
    C, V = config.n_embd, config.vocab_size
    yield Entry("token_embedding.weight", "token_embedding.weight", (V, C))
    if config.positions == "learned":
        yield Entry(
            "position_embedding.weight", "position_embedding.weight", (config.block_size, C)
        )
    if config.embedding_norm:
        yield from _norm("embedding_norm", C, config)
    for layer in range(config.n_layer):
        yield from _block(f"blocks.{layer}.", config)
    yield from _norm("final_norm", C, config)
    if config.lm_head and not config.tied:
        yield Entry(_HEAD, _HEAD, (V, C))
    if config.lm_head_bias:
        yield Entry("lm_head.bias", "lm_head.bias", (V,))


def _block(prefix: str, config: ModelConfig) -> Iterator[Entry]:
    C, inner, bias = config.n_embd, config.inner_size, config.bias
    yield from _norm(prefix + "attention_norm", C, config)
    widths = _attention_widths(config)
    yield from _pair(prefix + "attention.query_key_value", (sum(widths), C), config.qkv_bias)
    if config.qk_norm:
        yield from _norm(prefix + "attention.query_norm", config.head_size, config)
        yield from _norm(prefix + "attention.key_norm", config.head_size, config)
    if config.projections:
        yield from _pair(prefix + "attention.output", (C, widths[0]), bias)
    if not inner:
        return
    yield from _norm(prefix + "mlp_norm", C, config)
    yield from _pair(prefix + "mlp.up", (inner, C), bias)
    if config.gated:
        yield from _pair(prefix + "mlp.gate", (inner, C), bias)
    if config.projections:
        yield from _pair(prefix + "mlp.down", (C, inner), bias)


def _norm(module: str, size: int, config: ModelConfig) -> Iterator[Entry]:
    if config.norm == "layer":
        yield from _pair(module, (size,), config.bias)
    elif config.norm == "rms":
        yield Entry(f"{module}.weight", f"{module}.weight", (size,))


def _pair(module: str, shape: tuple[int, ...], has_bias: bool) -> Iterator[Entry]:
    yield Entry(f"{module}.weight", f"{module}.weight", shape)
    yield Entry(f"{module}.bias", f"{module}.bias", shape[:1], absent=not has_bias)


def _attention_widths(config: ModelConfig) -> tuple[int, int, int]:
    """Rows of query, key and value in the matrix that projects all three."""
    keys = config.key_value_heads * config.head_size
    return config.n_head * config.head_size, keys, keys


def _parts(entry: Entry, config: ModelConfig) -> Iterator[Entry]:
    """Query, key and value apart; any other parameter whole."""
    if ".query_key_value." not in entry.name:
        yield entry
        return
    first = 0
    for part, rows in zip(("query", "key", "value"), _attention_widths(config), strict=True):
        name = entry.name.replace("query_key_value", part)
        yield replace(entry, name=name, shape=(rows, *entry.shape[1:]), first_row=first)
        first += rows


def _renamed(entry: Entry, family: str) -> Entry:
    return replace(entry, name=_rename(entry.name, family))


def _rename(name: str, family: str) -> str:
    for ours, theirs in _NAMES.get(family, ()):
        name = name.replace(ours, theirs)
    return name


def _transposed(entry: Entry) -> Entry:
    """GPT-2's matrices within blocks are Conv1D: (inputs, outputs)."""
    is_matrix = entry.parameter.startswith("blocks.") and len(entry.shape) == 2
    return replace(entry, transposed=is_matrix)
