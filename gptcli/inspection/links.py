"""The strongest links of a head: which query gives which key how much.

H heads, R rows of queries, N keys.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(frozen=True)
class Link:
    """How much of a query's attention a key gets."""

    query: int
    key: int
    weight: float


@dataclass
class StrongestLinks:
    """The ``count`` largest weights of every head of a layer, without those of row 0.

    Rows are seen some at a time. Keys before ``first_key`` are left out, and so is the future.
    """

    count: int
    first_key: int = 0
    candidates: list[tuple[Tensor, Tensor, Tensor]] = field(default_factory=list)

    def see(self, weights: Tensor, first: int) -> None:
        """Take in the weights (H, R, N) of the rows from ``first`` on.

        The largest of all are in that many rows at most: those with the largest maxima.
        """
        if first == 0:
            weights, first = weights[:, 1:], 1
        weights = weights[:, :, self.first_key :]
        _, n_rows, n_keys = weights.shape
        if not n_rows:
            return
        rows = weights.amax(dim=-1).topk(min(self.count, n_rows)).indices  # (H, rows)
        chosen = weights.gather(1, rows[:, :, None].expand(-1, -1, n_keys))
        keys = torch.arange(self.first_key, self.first_key + n_keys, device=weights.device)
        chosen.masked_fill_(keys > (rows + first)[:, :, None], -1.0)
        largest, places = chosen.flatten(1).topk(min(self.count, chosen[0].numel()))
        queries = rows.gather(1, places // n_keys) + first
        self.candidates.append((largest, queries, places % n_keys + self.first_key))

    def of_heads(self, n_heads: int) -> list[tuple[Link, ...]]:
        """The links of every head, strongest first."""
        if not self.candidates:
            return [()] * n_heads
        weights, queries, keys = (
            torch.cat(parts, 1) for parts in zip(*self.candidates, strict=True)
        )
        weights, order = weights.topk(min(self.count, weights.shape[1]))
        found = weights.tolist(), queries.gather(1, order).tolist(), keys.gather(1, order).tolist()
        return [
            tuple(Link(*link) for link in zip(queries, keys, weights, strict=True) if link[2] >= 0)
            for weights, queries, keys in zip(*found, strict=True)
        ]
