"""Weighted aggregation of the past, four ways that agree, and why scores are divided by sqrt(d).

    python examples/attention_four_ways.py

After Karpathy's lecture: a double loop, a triangular matrix, a softmax over masked zeros, and
self-attention, which is the same with weights that depend on the data. B rows, T positions, C
channels.
"""

import math

import torch
from torch import Tensor

from gptcli.config.model import ModelConfig
from gptcli.model.attention import Attention


def by_loop(x: Tensor) -> Tensor:
    """The mean of every position and its past: (B, T, C) -> (B, T, C)."""
    means = torch.empty_like(x)
    for row in range(x.shape[0]):
        for position in range(x.shape[1]):
            means[row, position] = x[row, : position + 1].mean(dim=0)
    return means


def by_triangle(x: Tensor) -> Tensor:
    """The same as one product with a matrix whose row t holds 1/t at its first t places."""
    triangle = torch.tril(torch.ones(x.shape[1], x.shape[1]))
    return (triangle / triangle.sum(dim=1, keepdim=True)) @ x


def by_softmax(x: Tensor) -> Tensor:
    """The same by a softmax over zeros, -inf where the future is: equal scores, equal shares."""
    future = torch.ones(x.shape[1], x.shape[1]).triu(1).bool()
    scores = torch.zeros(x.shape[1], x.shape[1]).masked_fill(future, -math.inf)
    return scores.softmax(dim=-1) @ x


def by_attention(x: Tensor, query_weight: Tensor) -> Tensor:
    """The model's own layer, one head with keys and values of x itself.

    Queries are x times ``query_weight`` (C, C). Zeros ask for nothing in particular: then every
    score is 0 and the shares are equal again.
    """
    C = x.shape[-1]
    config = ModelConfig(
        n_layer=1, n_head=1, n_embd=C, block_size=x.shape[1], vocab_size=1, bias=False
    )
    layer = Attention(config)
    with torch.no_grad():
        layer.query_key_value.weight.copy_(torch.cat([query_weight, torch.eye(C), torch.eye(C)]))
        layer.output.weight.copy_(torch.eye(C))
        return layer(x)


def score_variance(d: int, scaled: bool) -> tuple[float, float]:
    """Variance of q . k for unit-variance q and k of d numbers, and the mean largest weight.

    The sum of d products has variance d; divided by sqrt(d) it has 1, and softmax stays soft.
    """
    generator = torch.Generator().manual_seed(1337)
    query, key = (torch.randn(64, 32, d, generator=generator) for _ in range(2))
    scores = query @ key.mT / (math.sqrt(d) if scaled else 1.0)
    return scores.var().item(), scores.softmax(dim=-1).amax(dim=-1).mean().item()


def main() -> None:
    """Print how far the ways differ, and what the division does."""
    torch.manual_seed(1337)
    x = torch.randn(4, 8, 16)
    loop = by_loop(x)
    ways = {
        "triangular matrix": by_triangle(x),
        "masked softmax": by_softmax(x),
        "self-attention, queries of zero": by_attention(x, torch.zeros(16, 16)),
        "self-attention, random queries": by_attention(x, torch.randn(16, 16)),
    }
    print("largest difference from the double loop")
    for name, values in ways.items():
        print(f"  {name:<32} {(values - loop).abs().max():.1e}")
    print("variance of scores, and the largest of 32 attention weights")
    for d in (4, 16, 64, 256):
        for scaled in (False, True):
            variance, largest = score_variance(d, scaled)
            name = f"d = {d}" + (", divided by sqrt(d)" if scaled else "")
            print(f"  {name:<32} {variance:7.2f}   {largest:.2f}")


if __name__ == "__main__":
    main()
