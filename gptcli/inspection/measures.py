"""What an attention pattern looks like, in numbers per head.

Weights are (H, R, N): R rows of queries by N keys, each row summing to 1. The first token can
only attend to itself, so row 0 says nothing about a head: every metric is the mean over the
other rows.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True)
class Measured:
    """A metric of one head, the mean over ``rows``; None where there are none."""

    value: float | None
    rows: int


def entropy(weights: Tensor) -> Tensor:
    """Shannon entropy of each row in bits: 0 on one key, log2(i + 1) evenly over all."""
    logarithms = weights.clamp_min(torch.finfo(weights.dtype).tiny).log2()
    return -(weights * logarithms).sum(dim=-1)


def row_values(weights: Tensor, first: int) -> dict[str, Tensor]:
    """The metrics of the text itself, of the rows from ``first`` on: (H, R) each.

    ``metrics.py`` says what each is. Relative entropy divides by that of an even row, log2(i + 1).
    """
    rows = torch.arange(weights.shape[1], device=weights.device)
    places, keys = rows + first, torch.arange(weights.shape[2], device=weights.device)
    bits = entropy(weights)
    return {
        "entropy": bits,
        "relative_entropy": bits / (places + 1).to(bits.dtype).log2(),
        "first_token": weights[:, :, 0],
        "self": weights[:, rows, places],
        "previous_token": weights[:, rows, places - 1],
        "mean_distance": (weights * (places[:, None] - keys)).sum(dim=-1),
        "largest_weight": weights.amax(dim=-1),
    }


@dataclass
class MetricSums:
    """The metrics of the heads of one layer, added up over rows of one text or of several."""

    rows: int = 0
    sums: dict[str, Tensor] = field(default_factory=dict)  # (H,) each, float64 on the CPU

    def add(self, weights: Tensor, first: int, shares: Tensor) -> None:
        """Add the rows of a text from ``first`` on: weights (H, R, N), shares of the stream (H, R).

        Row 0 is left out.
        """
        if first == 0:
            weights, shares, first = weights[:, 1:], shares[:, 1:], 1
        values_of = {**row_values(weights, first), "residual_share": shares}
        for name, values in values_of.items():
            total = values.cpu().double().sum(dim=1)
            self.sums[name] = self.sums[name] + total if name in self.sums else total
        self.rows += weights.shape[1]

    def measured(self) -> list[dict[str, Measured]]:
        """The mean of every metric over the rows, one dict per head."""
        n_heads = len(next(iter(self.sums.values())))
        return [
            {
                name: Measured(float(total[head]) / self.rows if self.rows else None, self.rows)
                for name, total in self.sums.items()
            }
            for head in range(n_heads)
        ]
