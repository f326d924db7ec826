"""Attention on a CPU by plain products, block after block of the queries.

torch's fused kernel has no dropout on a CPU, and in bfloat16 it takes two to three times as long
as these products; in float32 half as long again for small heads in short texts. A block of
queries meets the keys up to its own end alone, so that of the square above the diagonal little
is computed. The pattern is kept for the gradient, which a long context has no room for.
"""

import math

import torch
from torch import Tensor

from gptcli.fast.dropout import drop

LONGEST = 512  # tokens whose pattern is kept for the gradient, rather than computed again
LONGEST_IN_FLOAT32 = 96
_QUERIES = 128  # of a block


def attend_in_blocks(
    query: Tensor, key: Tensor, value: Tensor, past: int | None, dropout: float
) -> Tensor:
    """``attend``: (B, H, T, D), (B, K, S, D) twice -> (B, H, T, D), in the type of the values.

    The pattern is rounded to that type, as it is where a framework computes it by products.
    """
    B, H, T, D = query.shape
    shared = H // key.shape[1]  # queries of a key
    if shared > 1:
        key, value = (one.repeat_interleave(shared, 1) for one in (key, value))
    query, key, value = (one.to(value.dtype).flatten(0, 1) for one in (query, key, value))
    if past is None:
        return _mixed(query, key, value, None, dropout).view(B, H, T, D)
    mixed = []
    for first in range(0, T, _QUERIES):
        block = query[:, first : first + _QUERIES]
        seen = past + first + block.shape[1]
        mixed.append(_mixed(block, key[:, :seen], value[:, :seen], past + first, dropout))
    return torch.cat(mixed, dim=1).view(B, H, T, D)


def _mixed(query: Tensor, key: Tensor, value: Tensor, past: int | None, dropout: float) -> Tensor:
    """The values that some queries gather: (N, T, D), (N, S, D) twice -> (N, T, D)."""
    hidden = query.new_zeros(query.shape[1], key.shape[1])
    if past is not None:
        hidden.fill_(-math.inf).triu_(past + 1)
    with torch.autocast("cpu", enabled=False):
        scale = query.shape[2] ** -0.5
        scores = torch.baddbmm(hidden.expand(len(query), -1, -1), query, key.mT, alpha=scale)
        weights = scores.softmax(-1)
        return torch.bmm(drop(weights, dropout) if dropout else weights, value)
