"""Head and loss of a large vocabulary on a CPU, some tokens at a time: no logits are kept.

The logits of 4,096 tokens over GPT-2's vocabulary have 0.8 GB in float32, and a dozen passes go
over them. Here the gradient of a few tokens follows while their logits are still in the caches
(as in Wijmans et al. 2024, arXiv:2411.09009, "Cut your losses in large-vocabulary language
models"). Of 1,024 such tokens head, loss and gradients take 0.23 instead of 0.60 s, in bfloat16.

N tokens, C = n_embd, V = vocabulary.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from gptcli.config.model import ModelConfig
from gptcli.fast.layers import is_onednn_faster, onednn_product

LEAST = 4_000_000  # logits, from which it is faster
AT_ONCE = 48_000_000  # bytes of logits that are multiplied together
IN_CACHE = 1_000_000  # logits whose gradient is found together


def takes_parts(config: ModelConfig, n_tokens: int) -> bool:
    """Whether a model has a head without a bias, and so many logits that it is worth while."""
    has_head = config.lm_head and not config.lm_head_bias and not config.score
    return has_head and n_tokens * config.vocab_size >= LEAST


def summed_loss(stream: Tensor, weight: Tensor, targets: Tensor, cap: float | None) -> Tensor:
    """The sum of ``next_token_loss`` over the targets (N,) that are not negative, in float32.

    stream (N, C) is in the precision of products, weight (V, C) in float32. Logits become
    ``cap * tanh(logits / cap)`` where there is a cap.
    """
    loss: Tensor = _SummedLoss.apply(stream, weight, targets, cap)  # type: ignore[no-untyped-call]
    return loss


class _SummedLoss(torch.autograd.Function):
    """Both gradients are found on the way forward, and multiplied by that of the loss later."""

    @staticmethod
    def forward(
        ctx: Any, stream: Tensor, weight: Tensor, targets: Tensor, cap: float | None
    ) -> Tensor:
        head = weight.to(stream.dtype)
        d_stream, d_weight = torch.empty_like(stream), torch.zeros_like(weight)
        losses = []
        size = max(1, AT_ONCE // (head.itemsize * len(head)))
        parts = (torch.split(one, size) for one in (stream, targets, d_stream))
        for x, wanted, d_x in zip(*parts, strict=True):
            logits = _product(x, head)
            losses += _replace_by_gradient(logits, wanted, cap)
            d_x.copy_(_product(logits, head.t()))
            d_weight += _product(logits.t(), x.t())
        ctx.gradients = d_stream, d_weight
        return torch.stack(losses).sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, scale: Tensor) -> tuple[Tensor, Tensor, None, None]:
        d_stream, d_weight = ctx.gradients
        del ctx.gradients  # a graph is walked once
        return d_stream.mul_(scale), d_weight.mul_(scale), None, None


def _replace_by_gradient(logits: Tensor, targets: Tensor, cap: float | None) -> list[Tensor]:
    """Put the gradient in the place of logits (N, V) that are not capped yet; their losses."""
    losses = []
    size = max(1, IN_CACHE // logits.shape[1])
    for part, wanted in zip(torch.split(logits, size), torch.split(targets, size), strict=True):
        loss, gradient = _loss_and_gradient(part.float(), wanted[:, None], cap)
        losses.append(loss)
        part.copy_(gradient)
    return losses


def _loss_and_gradient(logits: Tensor, targets: Tensor, cap: float | None) -> tuple[Tensor, Tensor]:
    """The summed loss of logits (N, V) in float32, targets (N, 1), and its gradient (N, V)."""
    squashed = None
    if cap is not None:
        squashed = logits.div_(cap).tanh_()
        logits = squashed * cap
    log_probabilities = logits.log_softmax(-1)
    counts, places = (targets >= 0).float(), targets.clamp(min=0)
    loss = -(log_probabilities.gather(1, places) * counts).sum()
    gradient = log_probabilities.exp_().scatter_add_(1, places, -torch.ones_like(counts))
    if not bool(counts.all()):
        gradient *= counts
    if squashed is not None:
        gradient.addcmul_(gradient * squashed, squashed, value=-1)  # 1 - tanh^2
    return loss, gradient


def _product(a: Tensor, b: Tensor) -> Tensor:
    """a (M, K) times the transpose of b (N, K)."""
    if a.dtype == torch.float32 and is_onednn_faster():
        return onednn_product(a, b)
    return F.linear(a, b)
