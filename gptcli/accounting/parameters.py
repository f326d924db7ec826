"""Where the parameters of a GPT are: one row per kind of matrix, from its configuration alone."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from gptcli.config.model import ModelConfig

BUFFERS = 0
"""Numbers a model stores beside its parameters. Ours has none: the causal mask is computed."""

NORMS = ("attention_norm", "mlp_norm", "final_norm")


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

    A tied unembedding stands there with 0 copies.
    """
    return (*_embeddings(config), *_attention(config), *_mlp(config), *_readout(config))


def exact_count(config: ModelConfig) -> int:
    """Parameters of the model as it is built."""
    return sum(row.params for row in parameter_rows(config))


def count_totals(config: ModelConfig) -> Totals:
    """The five sums of a configuration, of which only the name is the same."""
    rows = {row.name: row.params for row in parameter_rows(replace(config, tied=False))}
    untied = sum(rows.values())
    tied = untied - rows["unembedding"]
    vocabulary = rows["token_embedding"] + rows["unembedding"] + rows.get("unembedding_bias", 0)
    small = sum(params for name, params in rows.items() if is_bias(name) or is_norm(name))
    return Totals(
        exact=tied if config.tied else untied,
        tied=tied,
        untied=untied,
        non_embedding=untied - vocabulary - rows["position_embedding"],
        weights_only=untied - rows["position_embedding"] - small,
    )


def is_norm(name: str) -> bool:
    """Whether a row belongs to a layer norm, gain or bias."""
    return name.startswith(NORMS)


def is_bias(name: str) -> bool:
    """Whether a row is the bias of a linear layer."""
    return name.endswith("_bias") and not is_norm(name)


def _embeddings(config: ModelConfig) -> Iterator[Row]:
    yield Row("token_embedding", (config.vocab_size, config.n_embd), 1)
    yield Row("position_embedding", (config.block_size, config.n_embd), 1)


def _attention(config: ModelConfig) -> Iterator[Row]:
    n_heads = config.n_layer * config.n_head
    yield from _norm("attention_norm", config, config.n_layer)
    for name in ("query", "key", "value"):
        yield Row(name, (config.head_size, config.n_embd), n_heads)
        if config.bias and config.qkv_bias:
            yield Row(f"{name}_bias", (config.head_size,), n_heads)
    yield Row("output", (config.n_embd, config.head_size), n_heads)
    if config.bias:
        yield Row("output_bias", (config.n_embd,), config.n_layer)


def _mlp(config: ModelConfig) -> Iterator[Row]:
    yield from _norm("mlp_norm", config, config.n_layer)
    yield Row("up_projection", (config.n_inner, config.n_embd), config.n_layer)
    if config.bias:
        yield Row("up_bias", (config.n_inner,), config.n_layer)
    yield Row("down_projection", (config.n_embd, config.n_inner), config.n_layer)
    if config.bias:
        yield Row("down_bias", (config.n_embd,), config.n_layer)


def _readout(config: ModelConfig) -> Iterator[Row]:
    yield from _norm("final_norm", config, 1)
    yield Row("unembedding", (config.vocab_size, config.n_embd), 0 if config.tied else 1)
    if config.lm_head_bias:
        yield Row("unembedding_bias", (config.vocab_size,), 1)


def _norm(name: str, config: ModelConfig, copies: int) -> Iterator[Row]:
    yield Row(name, (config.n_embd,), copies)
    if config.bias:
        yield Row(f"{name}_bias", (config.n_embd,), copies)
