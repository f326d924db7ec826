"""Attention in its stages: product, scaling, mask, softmax, what values make of it, rollout.

H heads, T queries, S keys, R rows of queries.
"""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from gptcli.inspection.capture import LayerRecord, Recording, attention_modules
from gptcli.inspection.stage_names import Stage
from gptcli.inspection.vectors import Vectors, output_matrices
from gptcli.model.attention import Attention
from gptcli.model.gpt import GPT

Layers = Iterable[tuple[Attention, LayerRecord]]


@torch.inference_mode()
def stage_values(model: GPT, recording: Recording, layer: int, stage: Stage) -> Tensor:
    """One stage of one layer, whole: (H, T, T), query by key, float32.

    A rollout is the layer's, so that all its heads have the same.
    """
    layers = list(zip(attention_modules(model), recording.layers, strict=True))
    attention, recorded = layers[layer]
    if stage == "rollout":
        *_, last = rollouts(layers[: layer + 1])
        return last.expand(attention.n_head, -1, -1)
    vectors = Vectors.of(attention, recorded)
    return stage_rows(attention, vectors, stage, slice(0, vectors.n_queries))


@torch.inference_mode()
def stage_rows(attention: Attention, vectors: Vectors, stage: Stage, rows: slice) -> Tensor:
    """Some rows of a stage of one layer, for all its heads: (H, R, S). Not for rollout."""
    match stage:
        case "raw":
            return vectors.raw(rows)
        case "scaled":
            return vectors.scaled(rows)
        case "masked":
            return vectors.masked(rows)
        case "softmax":
            return vectors.weights(rows)
        case "value":
            return vectors.weights(rows) * written_lengths(attention, vectors)[:, None]
        case "rollout":
            raise AssertionError("a rollout goes through all layers: see rollouts")


def written_lengths(attention: Attention, vectors: Vectors) -> Tensor:
    """The length of what each key's value writes to the stream, ||v_j W_O||: (H, S)."""
    pairs = zip(vectors.value, output_matrices(attention), strict=True)
    return torch.stack([(value @ matrix).norm(dim=-1) for value, matrix in pairs])


@torch.inference_mode()
def rollouts(layers: Layers) -> Iterator[Tensor]:
    """How much of each token has reached each place after every layer, in order: (T, T).

    Attention rollout (Abnar and Zuidema 2020, arXiv:2005.00928, section 3): a layer passes on
    half of what a place has, for the residual stream, and half by the mean of its heads' weights.
    """
    reached: Tensor | None = None
    for attention, layer in layers:
        vectors = Vectors.of(attention, layer)
        passed = torch.cat([vectors.weights(rows).mean(dim=0) for rows in vectors.blocks()])
        passed = (passed + torch.eye(*passed.shape, device=passed.device)) / 2
        reached = passed if reached is None else passed @ reached
        yield reached
