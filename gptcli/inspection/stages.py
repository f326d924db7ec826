"""Attention in its stages: product, scaling, mask, softmax, what values make of it, rollout.

H heads, T queries, S keys, R rows of queries.
"""

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor

from gptcli.inspection.capture import LayerRecord, Recording, attention_modules
from gptcli.inspection.stage_names import Stage
from gptcli.inspection.vectors import Vectors, output_matrices
from gptcli.model.attention import Attention
from gptcli.model.gpt import GPT

Layers = Iterable[tuple[Attention, LayerRecord]]
RowsOfStage = Callable[[slice], Tensor]  # rows of queries -> their values (H, R, S)


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
    return stage_rows(attention, vectors, stage)(slice(0, vectors.n_queries))


def stage_rows(attention: Attention, vectors: Vectors, stage: Stage) -> RowsOfStage:
    """The function that computes some rows of a stage for the heads of ``vectors``.

    Rollout has none: it goes through all layers.
    """
    match stage:
        case "raw":
            return vectors.raw
        case "scaled":
            return vectors.scaled
        case "masked":
            return vectors.masked
        case "softmax":
            return vectors.weights
        case "value":
            lengths = written_lengths(attention, vectors)[:, None]
            return lambda rows: vectors.weights(rows) * lengths
        case "rollout":
            raise AssertionError("see rollouts")


def written_lengths(attention: Attention, vectors: Vectors) -> Tensor:
    """The length of what each key's value writes to the stream, ||v_j W_O||: (H, S)."""
    matrices = output_matrices(attention)[list(vectors.heads)]
    pairs = zip(vectors.value, matrices, strict=True)
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
