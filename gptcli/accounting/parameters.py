"""Where the parameters of a GPT are: one row per kind of matrix, from its configuration alone."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from gptcli.config.model import ModelConfig

BUFFERS = 0
"""Numbers a model stores beside its parameters. Ours has none: the causal mask is computed."""

NORMS = ("embedding_norm", "attention_norm", "query_norm", "key_norm", "mlp_norm", "final_norm")

# What grows with vocabulary or context.
_GROWING = ("token_embedding", "position_embedding", "unembedding", "unembedding_bias")


@dataclass(frozen=True)
class Row:
    """One kind of matrix or vector: ``shape`` as (outputs, inputs), and how many there are.

    Query, key, value and output are counted a head at a time, as the literature draws them.
    """

    name: str
    shape: tuple[int, ...]
    copies: int

    @property
    def params(self) -> int:
        """Parameters of all copies together."""
        return math.prod(self.shape) * self.copies


@dataclass(frozen=True)
class Totals:
    """The sums that go by the name of "number of parameters".

    ``exact`` is the model as built: ``tied`` if token embedding and unembedding are one
    matrix, else ``untied``. ``non_embedding`` leaves out everything that grows with
    vocabulary or context: N in Kaplan et al. 2020 (arXiv:2001.08361, section 1.3; nanoGPT
    prints another, exact minus positions). ``weights_only`` is the untied matrices without
    positions, biases and norms.
    """

    exact: int
    tied: int
    untied: int
    non_embedding: int
    weights_only: int


def parameter_rows(config: ModelConfig) -> tuple[Row, ...]:
    """Every kind of parameter in the order that data meets them; absent kinds have no row.

    A tied unembedding stands there with 0 copies; keys and values that several queries share
    are counted once.
    """
    blocks = (*_attention(config), *_mlp(config)) if config.n_layer else ()
    return (*_embeddings(config), *blocks, *_readout(config))


def exact_count(config: ModelConfig) -> int:
    """Parameters of the model as it is built."""
    return sum(row.params for row in parameter_rows(config))


def count_totals(config: ModelConfig) -> Totals:
    """The five sums of a configuration, of which only the name is the same."""
    rows = {row.name: row.params for row in parameter_rows(replace(config, tied=False))}
    untied = sum(rows.values())
    tied = untied - rows.get("unembedding", 0)
    small = sum(params for name, params in rows.items() if is_bias(name) or is_norm(name))
    return Totals(
        exact=tied if config.tied else untied,
        tied=tied,
        untied=untied,
        non_embedding=untied - sum(rows.get(name, 0) for name in _GROWING),
        weights_only=untied - rows.get("position_embedding", 0) - small,
    )


def is_norm(name: str) -> bool:
    """Whether a row belongs to a norm, gain or bias."""
    return name.startswith(NORMS)


def is_bias(name: str) -> bool:
    """Whether a row is the bias of a linear layer."""
    return name.endswith("_bias") and not is_norm(name)


def _embeddings(config: ModelConfig) -> Iterator[Row]:
    yield Row("token_embedding", (config.vocab_size, config.n_embd), 1)
    if config.positions == "learned":
        yield Row("position_embedding", (config.block_size, config.n_embd), 1)
    if config.embedding_norm:
        yield from _norm("embedding_norm", config.n_embd, 1, config)


def _attention(config: ModelConfig) -> Iterator[Row]:
    n_layer, width, size = config.n_layer, config.n_embd, config.head_size
    n_queries, n_keys = n_layer * config.n_head, n_layer * config.key_value_heads
    yield from _norm("attention_norm", width, n_layer, config)
    for name, copies in (("query", n_queries), ("key", n_keys), ("value", n_keys)):
        yield from _linear(name, (size, width), copies, config.qkv_bias)
        if config.qk_norm and name != "value":
            yield from _norm(f"{name}_norm", size, n_layer, config)
    if config.projections:
        yield Row("output", (width, size), n_queries)
        if config.bias:
            yield Row("output_bias", (width,), n_layer)


def _mlp(config: ModelConfig) -> Iterator[Row]:
    n_layer, width, inner = config.n_layer, config.n_embd, config.inner_size
    if not inner:
        return
    yield from _norm("mlp_norm", width, n_layer, config)
    if config.gated:
        yield from _linear("gate_projection", (inner, width), n_layer, config.bias)
    yield from _linear("up_projection", (inner, width), n_layer, config.bias)
    if config.projections:
        yield from _linear("down_projection", (width, inner), n_layer, config.bias)


def _readout(config: ModelConfig) -> Iterator[Row]:
    yield from _norm("final_norm", config.n_embd, 1, config)
    if config.lm_head:
        yield Row("unembedding", (config.vocab_size, config.n_embd), 0 if config.tied else 1)
    if config.lm_head_bias:
        yield Row("unembedding_bias", (config.vocab_size,), 1)


def _linear(name: str, shape: tuple[int, int], copies: int, has_bias: bool) -> Iterator[Row]:
    yield Row(name, shape, copies)
    if has_bias:
        yield Row(f"{name.removesuffix('_projection')}_bias", shape[:1], copies)


def _norm(name: str, size: int, copies: int, config: ModelConfig) -> Iterator[Row]:
    if config.norm in ("layer", "rms"):
        yield Row(name, (size,), copies)
    if config.norm == "layer" and config.bias:
        yield Row(f"{name}_bias", (size,), copies)
