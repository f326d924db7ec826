"""Which tensors a model's files hold: our parameter names beside Hugging Face's, with shapes.

The only place that knows GPT-2's transposed Conv1D weights and its obligatory biases.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from gptcli.config.model import ModelConfig


@dataclass(frozen=True)
class Entry:
    """One tensor of the file.

    ``shape`` is the parameter's own; the file holds it ``transposed`` or as it is. An entry
    that is ``absent`` in the model is written as zeros because the file's family demands it.
    """

    parameter: str
    name: str
    shape: tuple[int, ...]
    transposed: bool = False
    absent: bool = False

    @property
    def file_shape(self) -> tuple[int, ...]:
        """The shape as stored."""
        return self.shape[::-1] if self.transposed else self.shape


def file_layout(config: ModelConfig) -> list[Entry]:
    """Every tensor that model.safetensors holds for this model."""
    entries = [*_parameters(config)]
    if config.model_type == "gpt2":
        return [_as_gpt2(entry) for entry in entries]
    return [entry for entry in entries if not entry.absent]


def _parameters(config: ModelConfig) -> Iterator[Entry]:
    C, V = config.n_embd, config.vocab_size
    yield Entry("token_embedding.weight", "token_embedding.weight", (V, C))
    yield Entry("position_embedding.weight", "position_embedding.weight", (config.block_size, C))
    for layer in range(config.n_layer):
        yield from _block(f"blocks.{layer}.", config)
    yield from _pair("final_norm", (C,), config.bias)
    if not config.tied:
        yield Entry("lm_head.weight", "lm_head.weight", (V, C))
    if config.lm_head_bias:
        yield Entry("lm_head.bias", "lm_head.bias", (V,))


def _block(prefix: str, config: ModelConfig) -> Iterator[Entry]:
    C, inner, bias = config.n_embd, config.n_inner, config.bias
    yield from _pair(prefix + "attention_norm", (C,), bias)
    yield from _pair(prefix + "attention.query_key_value", (3 * C, C), bias and config.qkv_bias)
    yield from _pair(prefix + "attention.output", (C, C), bias)
    yield from _pair(prefix + "mlp_norm", (C,), bias)
    yield from _pair(prefix + "mlp.up", (inner, C), bias)
    yield from _pair(prefix + "mlp.down", (C, inner), bias)


def _pair(module: str, shape: tuple[int, ...], has_bias: bool) -> Iterator[Entry]:
    yield Entry(f"{module}.weight", f"{module}.weight", shape)
    yield Entry(f"{module}.bias", f"{module}.bias", shape[:1], absent=not has_bias)


_GPT2_NAMES = (
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
)


def _as_gpt2(entry: Entry) -> Entry:
    name = entry.name
    for ours, theirs in _GPT2_NAMES:
        name = name.replace(ours, theirs)
    is_matrix_of_block = name.startswith("transformer.h.") and len(entry.shape) == 2
    return Entry(entry.parameter, name, entry.shape, is_matrix_of_block, entry.absent)


def canonical_name(name: str, config: ModelConfig) -> str | None:
    """The layout's name for a tensor that other programs wrote; None for what is no weight.

    GPT-2's first release has no "transformer." in its names and stores the causal masks.
    """
    if config.model_type != "gpt2":
        return name
    if name.endswith((".attn.bias", ".attn.masked_bias")):
        return None
    if name == "lm_head.weight":
        return None if config.tied else name
    return name if name.startswith("transformer.") else f"transformer.{name}"
