"""Explicit attention, layer by layer, checked against the fused kernel that the model runs.

Fused attention returns no weights, so they are computed again, in float32, from the recorded
input of each layer; its recorded output shows whether they are right.
T positions, C = n_embd, H = n_head, D = head size, V = vocabulary.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from gptcli.model.attention import Attention
from gptcli.model.gpt import GPT, Block
from gptcli.model.positions import PositionSignal


@dataclass(frozen=True)
class LayerRecord:
    """The input and the output of one layer's attention, (T, C) each, and its positions."""

    received: Tensor
    written: Tensor
    signal: PositionSignal | None = None


@dataclass(frozen=True)
class Recording:
    """One forward pass over ids (T,): logits (T, V) and what attention did in every layer."""

    ids: Tensor
    logits: Tensor
    layers: tuple[LayerRecord, ...]


@dataclass(frozen=True)
class Check:
    """The largest errors of explicit attention.

    ``row_sum_max_error`` is that of the sums of its rows, which should be 1; ``future_mass_max``
    the largest weight on the future; ``fused_max_error`` that of the attention's output.
    """

    row_sum_max_error: float
    future_mass_max: float
    fused_max_error: float


@dataclass(frozen=True)
class LayerAttention:
    """Scaled scores before the mask, and the pattern after softmax: (H, T, T), query by key."""

    scores: Tensor
    pattern: Tensor
    check: Check


@torch.inference_mode()
def record(model: GPT, token_ids: Sequence[int]) -> Recording:
    """Run the model in eval mode, and keep the inputs and outputs of its attention."""
    ids = torch.tensor(token_ids, device=model.token_embedding.weight.device)
    layers: list[LayerRecord] = []
    hooks = [
        attention.register_forward_hook(partial(_keep, layers))
        for attention in attention_modules(model)
    ]
    was_training = model.training
    model.eval()
    try:
        logits = model(ids[None])[0]
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    return Recording(ids, logits, tuple(layers))


def attention_modules(model: GPT) -> list[Attention]:
    """The attention of every layer, in order."""
    return [block.attention for block in model.blocks if isinstance(block, Block)]


@torch.inference_mode()
def explicit_attention(attention: Attention, layer: LayerRecord) -> LayerAttention:
    """Scores and pattern of one layer (Vaswani et al. 2017, section 3.2), and their check."""
    assert not attention.training, "dropout would blur the comparison: call model.eval() first"
    projected = attention.project(layer.received[None], layer.signal)
    query, key, value = (_of_every_head(part[0].float(), attention.n_head) for part in projected)
    scores = query @ key.transpose(1, 2) / math.sqrt(query.shape[-1])  # (H, T, T)
    future = torch.ones(scores.shape[1:], dtype=torch.bool, device=scores.device).triu(1)
    pattern = scores.masked_fill(future, -torch.inf).softmax(dim=-1)
    mixed = (pattern @ value).to(layer.received.dtype)  # (H, T, D)
    written = attention.merge(mixed[None])[0]
    return LayerAttention(scores, pattern, _check(pattern, future, written - layer.written))


def worst(checks: Iterable[Check]) -> Check:
    """The largest of every figure; at least one check is needed."""
    figures = [
        (check.row_sum_max_error, check.future_mass_max, check.fused_max_error) for check in checks
    ]
    return Check(*(max(column) for column in zip(*figures, strict=True)))


def _keep(
    layers: list[LayerRecord],
    _module: nn.Module,
    received: tuple[Tensor, PositionSignal | None, object],
    written: Tensor,
) -> None:
    x, signal, _ = received
    layers.append(LayerRecord(x[0], written[0], signal))


def _of_every_head(part: Tensor, n_head: int) -> Tensor:
    """Repeat keys and values (K, T, D) for all the queries that share them: (H, T, D)."""
    return part.repeat_interleave(n_head // part.shape[0], dim=0)


def _check(pattern: Tensor, future: Tensor, deviation: Tensor) -> Check:
    row_sums = pattern.sum(dim=-1)
    future_mass = (pattern * future).sum(dim=-1)
    return Check(
        row_sum_max_error=float((row_sums - 1).abs().max()),
        future_mass_max=float(future_mass.max()),
        fused_max_error=float(deviation.abs().max()),
    )
