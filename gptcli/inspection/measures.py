"""What an attention pattern looks like, in numbers per head.

A pattern is (H, T, T), query by key, float64, each row summing to 1. The first token can
only attend to itself, so row 0 says nothing about a head: every metric is the mean over the
rows 1 to T-1.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

from gptcli.inspection.metrics import METRICS


@dataclass(frozen=True)
class Measured:
    """A metric of one head, the mean over ``rows``; None where there are none."""

    value: float | None
    rows: int


def entropy(pattern: Tensor) -> Tensor:
    """Shannon entropy of each row in bits: 0 on one key, log2(i + 1) evenly over all."""
    bits: Tensor = torch.special.entr(pattern[:, 1:]).sum(dim=-1) / math.log(2)
    return bits


def relative_entropy(pattern: Tensor) -> Tensor:
    """Entropy over that of an even row, log2(i + 1): 0 on one key, 1 evenly over all."""
    n_keys = torch.arange(2, pattern.shape[1] + 1, dtype=pattern.dtype)
    return entropy(pattern) / n_keys.log2()


def first_token(pattern: Tensor) -> Tensor:
    """Weight on token 0: near 1 in a head that uses it as an attention sink."""
    return pattern[:, 1:, 0]


def self_weight(pattern: Tensor) -> Tensor:
    """Weight on the token itself."""
    return pattern.diagonal(dim1=1, dim2=2)[:, 1:]


def previous_token(pattern: Tensor) -> Tensor:
    """Weight on the token before."""
    return pattern.diagonal(offset=-1, dim1=1, dim2=2)


def mean_distance(pattern: Tensor) -> Tensor:
    """How many tokens back a row looks on average."""
    positions = torch.arange(pattern.shape[1], dtype=pattern.dtype)
    return positions[1:] - pattern[:, 1:] @ positions


def largest_weight(pattern: Tensor) -> Tensor:
    """The largest weight of each row."""
    return pattern[:, 1:].amax(dim=-1)


_PER_ROW: Mapping[str, Callable[[Tensor], Tensor]] = MappingProxyType(
    {
        "entropy": entropy,
        "relative_entropy": relative_entropy,
        "first_token": first_token,
        "self": self_weight,
        "previous_token": previous_token,
        "mean_distance": mean_distance,
        "largest_weight": largest_weight,
    }
)
"""Functions from a pattern (H, T, T) to the values of rows 1 to T-1: (H, T - 1)."""


def measure(pattern: Tensor) -> list[dict[str, Measured]]:
    """Every metric of every head of a pattern (H, T, T) on any device: one dict per head."""
    exact = pattern.cpu().double()
    rows = exact.shape[1] - 1
    if rows == 0:
        return [{name: Measured(None, 0) for name in METRICS} for _ in exact]
    means = {name: _PER_ROW[name](exact).mean(dim=1).tolist() for name in METRICS}
    return [
        {name: Measured(values[head], rows) for name, values in means.items()}
        for head in range(exact.shape[0])
    ]
