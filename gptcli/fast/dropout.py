"""Dropout in training on a CPU, whose masks otherwise take a quarter of a step.

torch draws a random number for every element, one after another. Here 64 random bits decide about
four elements.
"""

from typing import Any

import torch
from torch import Tensor, nn

_BITS = 16  # that decide about an element: its probability is a multiple of 2^-16


class FastDropout(nn.Dropout):
    """``nn.Dropout``, with masks from torch's own generator that cost a fifth."""

    def forward(self, input: Tensor) -> Tensor:
        """Zeros in places drawn at random; what stays is scaled, so that the mean stays."""
        if not self.training or not self.p or not takes_fast_dropout(input):
            return super().forward(input)
        return drop(input, self.p)


def takes_fast_dropout(x: Tensor) -> bool:
    """Whether this is a tensor for it: compiled code and GPUs draw fast masks by themselves."""
    return x.device.type == "cpu" and not torch.compiler.is_compiling()


def drop(x: Tensor, probability: float) -> Tensor:
    """x with every number zero at this probability, else divided by one minus it."""
    dropped: Tensor = _Drop.apply(x, probability)  # type: ignore[no-untyped-call]
    return dropped


class _Drop(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, probability: float) -> Tensor:
        dropped = round(probability * 2**_BITS)
        words = torch.empty(-(-x.numel() * _BITS // 64), dtype=torch.int64).random_(-(2**63), None)
        is_kept = words.view(torch.int16)[: x.numel()] >= dropped - 2 ** (_BITS - 1)
        is_kept = is_kept.view(x.shape)
        ctx.save_for_backward(is_kept)
        ctx.scale = 2**_BITS / (2**_BITS - dropped)
        return _scaled(x, is_kept, ctx.scale)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None]:
        (is_kept,) = ctx.saved_tensors
        return _scaled(dy, is_kept, ctx.scale), None


def _scaled(x: Tensor, is_kept: Tensor, scale: float) -> Tensor:
    return is_kept.to(x.dtype).mul_(scale).mul_(x)
