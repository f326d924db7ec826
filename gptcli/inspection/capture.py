"""One forward pass of a model, of which the input and output of every attention are kept.

Fused attention returns no weights: explicit.py computes them again from what is kept here.
T positions, S positions of another source, C = n_embd, V = vocabulary.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from gptcli.model.attention import Attention
from gptcli.model.gpt import GPT, Block
from gptcli.model.positions import PositionSignal


@dataclass(frozen=True)
class LayerRecord:
    """The input and the output of one layer's attention, (T, C) each, and its positions.

    ``source`` (S, C) is where keys and values come from in cross-attention; ``stream`` (T, C)
    the residual stream that attention's output is added to, where there is one.
    """

    received: Tensor
    written: Tensor
    signal: PositionSignal | None = None
    source: Tensor | None = None
    stream: Tensor | None = None


@dataclass(frozen=True)
class Recording:
    """One forward pass over ids (T,): logits (T, V) and what attention did in every layer.

    ``streams`` are what every block receives, (T, C) each, and what the last one leaves.
    """

    ids: Tensor
    logits: Tensor
    layers: tuple[LayerRecord, ...]
    streams: tuple[Tensor, ...]


@torch.inference_mode()
def record(model: GPT, token_ids: Sequence[int]) -> Recording:
    """Run the model in eval mode, and keep the inputs and outputs of its attention."""
    ids = torch.tensor(token_ids, device=model.token_embedding.weight.device)
    streams: list[Tensor] = []

    def keep_stream(_: nn.Module, args: tuple[Tensor, ...]) -> None:
        streams.append(args[0][0])

    readers = (*_blocks(model), model.final_norm)
    hooks = [reader.register_forward_pre_hook(keep_stream) for reader in readers]
    was_training = model.training
    model.eval()
    try:
        with recorded_layers(attention_modules(model)) as layers:
            logits = model(ids[None])[0]
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    if model.config.residual:
        pairs = zip(layers, streams[:-1], strict=True)
        layers = [replace(layer, stream=stream) for layer, stream in pairs]
    return Recording(ids, logits, tuple(layers), tuple(streams))


@contextmanager
def recorded_layers(attentions: Iterable[Attention]) -> Iterator[list[LayerRecord]]:
    """What these see and write within the ``with``, in order of their calls: the first row alone.

    Any module that holds them may be called, as the encoder and the decoder of a translator.
    """
    layers: list[LayerRecord] = []

    def keep(_: nn.Module, args: tuple[Any, ...], named: dict[str, Any], written: Tensor) -> None:
        given = dict(zip(("x", "signal", "cache", "source"), args, strict=False)) | named
        source = given.get("source")
        first = None if source is None else source[0]
        layers.append(LayerRecord(given["x"][0], written[0], given.get("signal"), first))

    hooks = [one.register_forward_hook(keep, with_kwargs=True) for one in attentions]
    try:
        yield layers
    finally:
        for hook in hooks:
            hook.remove()


def attention_modules(model: GPT) -> list[Attention]:
    """The attention of every layer, in order."""
    return [block.attention for block in _blocks(model)]


def _blocks(model: GPT) -> list[Block]:
    return [block for block in model.blocks if isinstance(block, Block)]
