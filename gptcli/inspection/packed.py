"""The patterns of all heads in few bytes, for a page that draws them.

Either weights, a byte each, up to the diagonal, which a long text pools; or queries and keys, 16
bits a number, of which the page computes the weights: smaller where the text is longer than about
eight times the head size. H heads, K key heads, D = head size, T tokens, n blocks of tokens.
"""

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from gptcli.config.model import ModelConfig
from gptcli.inspection.capture import Recording, attention_modules
from gptcli.inspection.excerpt import Excerpt
from gptcli.inspection.heads import Head
from gptcli.inspection.patterns import pool
from gptcli.inspection.stages import written_lengths
from gptcli.inspection.vectors import Vectors
from gptcli.model.gpt import GPT

LEAST_BLOCKS = 32  # of a pooled text
_LARGEST_HALF = 65504.0


@dataclass(frozen=True)
class Packing:
    """What is packed for each head; weights may be those of blocks of ``pool`` tokens."""

    form: Literal["weights", "vectors"]
    pool: int = 1

    def layer_bytes(self, config: ModelConfig, n_tokens: int) -> int:
        """The size of one layer."""
        if self.form == "vectors":
            n_vectors = (config.n_head + config.key_value_heads) * n_tokens
            return 2 * config.head_size * n_vectors
        n_blocks = math.ceil(n_tokens / self.pool)
        return config.n_head * n_blocks * (n_blocks + 1) // 2


@dataclass(frozen=True)
class PackedLayer:
    """One layer, and the largest error of a weight that is got back from it.

    Weights are 255 times their square root, rounded: head by head, row by row, to the diagonal.
    Vectors are the queries (H, T, D), then the keys (K, T, D), as little-endian float16.
    """

    content: bytes
    largest_error: float


@dataclass(frozen=True)
class HeadVectors:
    """What a head's weights are computed from, as little-endian float32.

    Attributes:
        query: the queries (T, D).
        key: the keys (T, D).
        value: the values (T, D).
        written: how long the vector is that each value writes to the stream (T,).
        earlier: the logarithm of what each row's softmax sums up over keys before the excerpt (T,).

    """

    query: bytes
    key: bytes
    value: bytes
    written: bytes
    earlier: bytes


def vector_bytes(config: ModelConfig, n_tokens: int) -> int:
    """The size of one head's vectors, all together."""
    return 4 * n_tokens * (3 * config.head_size + 2)


def packings(config: ModelConfig, shown: Excerpt) -> Iterator[Packing]:
    """The ways to pack an excerpt: whole, the smaller one before the other, then pooled ever more.

    Where earlier keys have a share of the weights, those are not computed from vectors.
    """
    whole = [Packing("weights")] if shown.first else [Packing("weights"), Packing("vectors")]
    yield from sorted(whole, key=lambda packing: packing.layer_bytes(config, shown.n_tokens))
    for n_tokens in range(2, shown.n_tokens // LEAST_BLOCKS + 1):
        yield Packing("weights", n_tokens)


@torch.inference_mode()
def packed_layers(
    model: GPT, recording: Recording, shown: Excerpt, packing: Packing
) -> Iterator[PackedLayer]:
    """Every layer, one at a time."""
    for attention, layer in zip(attention_modules(model), recording.layers, strict=True):
        vectors = Vectors.of(attention, layer)
        if packing.form == "vectors":
            yield _packed_vectors(vectors, shown, model.config)
        else:
            yield _packed_weights(vectors, replace(shown, cell=packing.pool))


@torch.inference_mode()
def head_vectors(
    model: GPT, recording: Recording, shown: Excerpt, heads: Collection[Head]
) -> Mapping[Head, HeadVectors]:
    """The vectors of every token shown in these heads."""
    modules, found = attention_modules(model), dict[Head, HeadVectors]()
    part = slice(shown.first, shown.stop)
    for head in sorted(heads):
        attention = modules[head.layer]
        vectors = Vectors.of(attention, recording.layers[head.layer]).of_heads([head.index])
        found[head] = HeadVectors(
            query=_bytes(vectors.query[0, part]),
            key=_bytes(vectors.key[0, part]),
            value=_bytes(vectors.value[0, part]),
            written=_bytes(written_lengths(attention, vectors)[0, part]),
            earlier=_bytes(vectors.scaled(part, shown.first)[0].logsumexp(dim=-1)),
        )
    return {head: found[head] for head in heads}


def _packed_weights(vectors: Vectors, shown: Excerpt) -> PackedLayer:
    blocks = vectors.blocks(shown.first, shown.stop, step=shown.cell)
    rows = [vectors.weights(block)[:, :, shown.first : shown.stop] for block in blocks]
    weights = torch.cat([pool(one, shown.cell, "softmax") for one in rows], dim=1)  # (H, n, n)
    codes = (255 * weights.clamp(0, 1).sqrt()).round()
    error = float(((codes / 255) ** 2 - weights).abs().max())
    lower = torch.tril_indices(shown.n_cells, shown.n_cells, device=weights.device)
    return PackedLayer(_bytes(codes[:, lower[0], lower[1]].to(torch.uint8)), error)


def _packed_vectors(vectors: Vectors, shown: Excerpt, config: ModelConfig) -> PackedLayer:
    query, key = (
        part[:, : shown.stop].clamp(-_LARGEST_HALF, _LARGEST_HALF).half()
        for part in (vectors.query, vectors.key)
    )
    rounded = replace(vectors, query=query.float(), key=key.float())
    errors = [
        float((rounded.seen_weights(rows) - vectors.seen_weights(rows)).abs().max())
        for rows in vectors.blocks(0, shown.stop)
    ]
    own_keys = key[:: config.n_head // config.key_value_heads]
    return PackedLayer(_bytes(torch.cat([query, own_keys])), max(errors))


def _bytes(values: Tensor) -> bytes:
    return values.contiguous().cpu().numpy().tobytes()
