"""The patterns of chosen heads in any stage, pooled where a text is long.

H heads, R rows of queries, N tokens shown, M cells shown in a row.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from gptcli.inspection.capture import Recording, attention_modules
from gptcli.inspection.excerpt import Excerpt
from gptcli.inspection.heads import Head
from gptcli.inspection.stage_names import DEFAULT_STAGE, SCORES, Stage
from gptcli.inspection.stages import rollouts, stage_rows
from gptcli.inspection.vectors import Vectors
from gptcli.model.gpt import GPT

Patterns = Mapping[Head, Tensor]  # (M, M) each, query by key, on the CPU
PatternStream = Iterator[tuple[Head, Tensor]]  # the same, one after the other

_HeadsByLayer = Mapping[int, Sequence[int]]


def head_patterns(
    model: GPT,
    recording: Recording,
    heads: Collection[Head],
    stage: Stage = DEFAULT_STAGE,
    shown: Excerpt | None = None,
) -> Patterns:
    """A stage of these heads, in their order; ``shown`` is the part of it (default: all)."""
    found = dict(each_pattern(model, recording, heads, stage, shown))
    return {head: found[head] for head in heads}


@torch.inference_mode()
def each_pattern(
    model: GPT,
    recording: Recording,
    heads: Collection[Head],
    stage: Stage = DEFAULT_STAGE,
    shown: Excerpt | None = None,
) -> PatternStream:
    """The same one after the other, layer by layer; only the layers that it needs are computed."""
    shown = shown or Excerpt(0, len(recording.ids))
    by_layer = {
        layer: sorted({head.index for head in heads if head.layer == layer})
        for layer in sorted({head.layer for head in heads})
    }
    of_layer = _rollout_of_layer if stage == "rollout" else _stage_of_layer
    for layer, values in of_layer(model, recording, by_layer, stage, shown):
        for index, pattern in zip(by_layer[layer], values, strict=True):
            yield Head(layer, index), pattern


def _stage_of_layer(
    model: GPT,
    recording: Recording,
    heads: _HeadsByLayer,
    stage: Stage,
    shown: Excerpt,
) -> Iterator[tuple[int, Tensor]]:
    modules = attention_modules(model)
    for layer, indices in heads.items():
        vectors = Vectors.of(modules[layer], recording.layers[layer]).of_heads(indices)
        rows_of = stage_rows(modules[layer], vectors, stage)
        pooled = [
            pool(rows_of(rows)[:, :, shown.first : shown.stop], shown.cell, stage)
            for rows in vectors.blocks(shown.first, shown.stop, step=shown.cell)
        ]
        yield layer, torch.cat(pooled, dim=1).cpu()


def _rollout_of_layer(
    model: GPT,
    recording: Recording,
    heads: _HeadsByLayer,
    stage: Stage,
    shown: Excerpt,
) -> Iterator[tuple[int, Tensor]]:
    n_layers = max(heads, default=-1) + 1
    layers = list(zip(attention_modules(model), recording.layers, strict=True))[:n_layers]
    part = slice(shown.first, shown.stop)
    for layer, reached in enumerate(rollouts(layers)):
        if layer in heads:
            pooled = pool(reached[None, part, part], shown.cell, stage).cpu()
            yield layer, pooled.expand(len(heads[layer]), -1, -1)


def pool(values: Tensor, cell: int, stage: Stage) -> Tensor:
    """Rows and keys (H, R, N) in cells of ``cell`` by ``cell`` tokens, the last perhaps smaller.

    Weights become what a query of the cell gives to all keys of the cell, in the mean over its
    queries: rows still sum to 1. Scores become their mean, without those on the future.
    """
    if cell == 1:
        return values
    if stage not in SCORES:
        return _sums(values, cell) / _sums(torch.ones_like(values[:1, :, :1]), cell)
    seen = values.isfinite()
    total, count = _sums(values.masked_fill(~seen, 0.0), cell), _sums(seen.to(values.dtype), cell)
    return (total / count).masked_fill(count == 0, -torch.inf)


def _sums(values: Tensor, cell: int) -> Tensor:
    """The sums of every cell."""
    n_heads, n_rows, n_keys = values.shape
    filled = F.pad(values, (0, -n_keys % cell, 0, -n_rows % cell))
    return filled.view(n_heads, -(-n_rows // cell), cell, -1, cell).sum(dim=(2, 4))
