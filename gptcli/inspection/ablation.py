"""What a head is worth: how the loss changes when its output is replaced.

Each head is ablated by itself, at every position. The layers below it are computed once for all
heads of its layer, and only the rest of the model again.
B windows, T positions, C = n_embd, H = n_head, D = head size, N targets that count, n variants.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from gptcli.evaluation.evaluation_pass import as_doubles, tokens_per_batch
from gptcli.evaluation.paired_difference import PairedDifference, mean_over_windows
from gptcli.evaluation.target_windows import TargetBatch
from gptcli.inspection.heads import AblationMode, Head
from gptcli.model.gpt import GPT, Block
from gptcli.model.positions import PositionSignal
from gptcli.runtime.progress import Advance, no_progress

Losses = NDArray[np.float64]


@dataclass(frozen=True)
class Effect:
    """By how much the loss grows, in nats per token, when the output of a head is replaced."""

    head: Head
    change: PairedDifference


@dataclass(frozen=True)
class Ablation:
    """The loss of the whole model in nats per token over ``n_targets``, and the heads' effects."""

    loss: float
    n_targets: int
    n_windows: int
    effects: tuple[Effect, ...]


@torch.inference_mode()
def ablate(
    model: GPT,
    batches: Sequence[TargetBatch],
    heads: Sequence[Head],
    mode: AblationMode = "zero",
    advance: Advance = no_progress,
) -> Ablation:
    """Replace the output of each head, before W_O, by zero or by its mean over the data.

    The model must be in eval mode, and there must be a target. Each row of a batch is a window:
    the standard error of a change is that of the paired difference over windows. ``advance`` is
    called with the number of targets that were predicted without a head.
    """
    assert not model.training, "dropout would blur the losses: call model.eval() first"
    config = model.config
    replacement = torch.zeros(config.n_layer, config.n_head, config.head_size)
    if mode == "mean":
        replacement = mean_outputs(model, batches)
    sums = {head: list[Losses]() for head in heads}
    loss_sum = 0.0
    for batch in batches:
        hidden = model.hidden(batch.ids.to(_device(model)))
        whole = _losses(model, hidden, batch)[0]
        loss_sum += float(whole.sum())
        for head, losses in _without_each(model, batch, heads, replacement):
            sums[head].append(_sums_of_windows(losses - whole, batch))
            advance(losses.size)
    counts = np.concatenate([batch.counted.sum(dim=1).numpy() for batch in batches])
    n_targets = int(counts.sum())
    effects = (
        Effect(head, mean_over_windows(np.concatenate(sums[head]), counts)) for head in heads
    )
    return Ablation(loss_sum / n_targets, n_targets, len(counts), tuple(effects))


@torch.inference_mode()
def mean_outputs(model: GPT, batches: Sequence[TargetBatch]) -> Tensor:
    """The mean output of each head, (n_layer, H, D), over positions whose target counts."""
    config = model.config
    sums = np.zeros((config.n_layer, config.n_head, config.head_size))
    for batch in batches:
        counted = batch.counted.to(_device(model))
        for number, layer in enumerate(_layers(model, batch)):
            outputs = layer.outputs.transpose(1, 2)[counted]  # (N, H, D)
            sums[number] += as_doubles(outputs.sum(dim=0))
    n_targets = sum(int(batch.counted.sum()) for batch in batches)
    return torch.from_numpy(sums / n_targets).float()


@dataclass(frozen=True)
class _Layer:
    """A block, the stream (B, T, C) that reaches it, and its heads' outputs (B, H, T, D)."""

    block: Block
    stream: Tensor
    outputs: Tensor
    signal: PositionSignal | None

    def written_with(self, outputs: Tensor) -> Tensor:
        """The stream behind the block if its heads put out these: (n * B, T, C)."""
        stream = self.stream.repeat(len(outputs) // len(self.stream), 1, 1)
        return self.block.compute(stream, self.block.attention.merge(outputs))


def _layers(model: GPT, batch: TargetBatch) -> Iterator[_Layer]:
    """One pass over a batch, layer by layer."""
    ids = batch.ids.to(_device(model))
    stream, signal = model.embed(ids, torch.arange(ids.shape[1], device=ids.device))
    for block in model.blocks:
        assert isinstance(block, Block)
        attention = block.attention
        projected = attention.project(block.attention_norm(stream), signal)
        layer = _Layer(block, stream, attention.kernel(*projected, 0, 0.0), signal)
        yield layer
        stream = layer.written_with(layer.outputs)


def _without_each(
    model: GPT, batch: TargetBatch, heads: Sequence[Head], replacement: Tensor
) -> Iterator[tuple[Head, Losses]]:
    """The losses (N,) of a batch without each of the heads; short batches share a pass."""
    at_once = max(1, tokens_per_batch(model.config) // batch.ids.numel())
    for number, layer in enumerate(_layers(model, batch)):
        own = [head for head in heads if head.layer == number]
        for first in range(0, len(own), at_once):
            some = own[first : first + at_once]
            outputs = layer.outputs.repeat(len(some), 1, 1, 1, 1)  # (n, B, H, T, D)
            for variant, head in zip(outputs, some, strict=True):  # variant: (B, H, T, D)
                variant[:, head.index] = replacement[number, head.index].to(variant)
            stream = layer.written_with(outputs.flatten(0, 1))
            for block in model.blocks[number + 1 :]:
                stream = block(stream, layer.signal)
            yield from zip(some, _losses(model, model.final_norm(stream), batch), strict=True)


def _losses(model: GPT, hidden: Tensor, batch: TargetBatch) -> Losses:
    """The loss of each target from what the read-out sees, (n * B, T, C) -> (n, N)."""
    counted = batch.counted.to(hidden.device)
    read = hidden.view(-1, *counted.shape, hidden.shape[-1])[:, counted]  # (n, N, C)
    targets = batch.targets.to(hidden.device)[counted].repeat(len(read))
    logits = model.read_out(read.flatten(0, 1)).float()
    losses = F.cross_entropy(logits, targets, reduction="none")
    return as_doubles(losses.view(len(read), -1))


def _sums_of_windows(losses: Losses, batch: TargetBatch) -> Losses:
    """The sum over the targets of each row: (N,) -> (B,)."""
    rows = batch.counted.nonzero()[:, 0].numpy()
    return np.bincount(rows, losses, minlength=len(batch.ids)).astype(np.float64)


def _device(model: GPT) -> torch.device:
    return model.token_embedding.weight.device
