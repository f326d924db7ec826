"""Name and shape of every parameter of a GPT, from its configuration alone, without torch.

Files, counts and checks are all derived from this list: a new component with parameters adds
its lines here. C = n_embd, D = head size, V = vocabulary.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gptcli.config.model import ModelConfig


@dataclass(frozen=True)
class Parameter:
    """A kind of parameter: ``shape`` as (outputs, inputs), and how many there are of it.

    The name is the one in the model; ``blocks.*.`` stands for all layers.
    """

    name: str
    shape: tuple[int, ...]
    copies: int = 1

    @property
    def size(self) -> int:
        """The number of parameters in all copies together."""
        return math.prod(self.shape) * self.copies


def parameters(config: ModelConfig) -> Iterator[Parameter]:
    """Every kind of parameter, in the order in which data meets them.

    A tied head has no weight of its own.
    """
    yield from _embeddings(config)
    for one in _block(config):
        yield Parameter(f"blocks.*.{one.name}", one.shape, config.n_layer)
    yield from _readout(config)


def parameter_shapes(config: ModelConfig) -> Mapping[str, tuple[int, ...]]:
    """Name -> shape of every parameter, one layer after another, named as in the model."""
    shapes = {one.name: one.shape for one in _embeddings(config)}
    block = tuple(_block(config))
    for layer in range(config.n_layer):
        shapes |= {f"blocks.{layer}.{one.name}": one.shape for one in block}
    return shapes | {one.name: one.shape for one in _readout(config)}


def group_of(name: str, n_dims: int) -> str:
    """The group of a parameter, by its name in the model; each may have its learning rate.

    "matrix" (of a block), "embedding" (of tokens or positions, also where the head shares it),
    "head", or "vector" (gains and biases).
    """
    if n_dims < 2:
        return "vector"
    if name.startswith("blocks."):
        return "matrix"
    return "head" if name.startswith(("lm_head.", "score.")) else "embedding"


def parameter_groups(config: ModelConfig) -> dict[str, int]:
    """The groups that the model has, and the number of parameters in each."""
    sizes: dict[str, int] = {}
    for one in parameters(config):
        group = group_of(one.name, len(one.shape))
        sizes[group] = sizes.get(group, 0) + one.size
    return sizes


def attention_heads(config: ModelConfig) -> Mapping[str, int]:
    """How many heads of queries, keys and values the matrix that projects all three has."""
    n_keys = config.key_value_heads
    return {"query": config.n_head, "key": n_keys, "value": n_keys}


def _embeddings(config: ModelConfig) -> Iterator[Parameter]:
    C = config.n_embd
    yield Parameter("token_embedding.weight", (config.vocab_size, C))
    if config.positions == "learned":
        yield Parameter("position_embedding.weight", (config.block_size, C))
    if config.embedding_norm:
        yield from _norm("embedding_norm", C, config)


def _block(config: ModelConfig) -> Iterator[Parameter]:
    if config.n_layer:
        yield from _attention(config)
    if config.n_layer and config.inner_size:
        yield from _mlp(config)


def _attention(config: ModelConfig) -> Iterator[Parameter]:
    C, D = config.n_embd, config.head_size
    yield from _norm("attention_norm", C, config)
    rows = D * sum(attention_heads(config).values())
    yield from _linear("attention.query_key_value", (rows, C), config.qkv_bias)
    if config.qk_norm:
        yield from _norm("attention.query_norm", D, config)
        yield from _norm("attention.key_norm", D, config)
    if config.projections:
        yield from _linear("attention.output", (C, config.n_head * D), config.bias)


def _mlp(config: ModelConfig) -> Iterator[Parameter]:
    C, inner = config.n_embd, config.inner_size
    yield from _norm("mlp_norm", C, config)
    if config.gated:
        yield from _linear("mlp.gate", (inner, C), config.bias)
    yield from _linear("mlp.up", (inner, C), config.bias)
    if config.projections:
        yield from _linear("mlp.down", (C, inner), config.bias)


def _readout(config: ModelConfig) -> Iterator[Parameter]:
    C, V = config.n_embd, config.vocab_size
    yield from _norm("final_norm", C, config)
    if config.score:
        yield Parameter("score.weight", (1, C))
    elif config.lm_head and not config.tied:
        yield Parameter("lm_head.weight", (V, C))
    if config.lm_head_bias:
        yield Parameter("lm_head.bias", (V,))


def _norm(module: str, size: int, config: ModelConfig) -> Iterator[Parameter]:
    if config.norm in ("layer", "rms"):
        yield Parameter(f"{module}.weight", (size,))
    if config.norm == "layer" and config.bias:
        yield Parameter(f"{module}.bias", (size,))


def _linear(module: str, shape: tuple[int, int], has_bias: bool) -> Iterator[Parameter]:
    yield Parameter(f"{module}.weight", shape)
    if has_bias:
        yield Parameter(f"{module}.bias", shape[:1])
