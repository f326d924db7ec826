"""The queries, keys and values of one layer, and the scores and weights that they give.

All in float32, and a few rows of queries at a time: the pattern of a long text is never whole
in memory unless it is asked for. H heads, D = head size, T queries, S keys (the same T unless
keys come from another source), R rows of queries, C = n_embd.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gptcli.inspection.capture import LayerRecord
from gptcli.model.attention import Attention

_CELLS_AT_ONCE = 2**20  # of all heads; 4 MB, which a core's cache holds


@dataclass(frozen=True)
class Vectors:
    """Queries (H, T, D), keys and values (H, S, D), after norm and rotation.

    ``heads`` are their numbers in the layer. Keys and values that several queries share are
    repeated. In causal attention a query sees the keys up to its own place.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    is_causal: bool
    heads: tuple[int, ...]

    @classmethod
    @torch.inference_mode()
    def of(cls, attention: Attention, layer: LayerRecord) -> "Vectors":
        """Project the recorded input of a layer again, as the model did."""
        source = None if layer.source is None else layer.source[None]
        query, key, value = (
            part[0].float().repeat_interleave(attention.n_head // part.shape[1], dim=0)
            for part in attention.project(layer.received[None], layer.signal, source)
        )
        return cls(query, key, value, attention.causal, tuple(range(attention.n_head)))

    def of_heads(self, heads: Sequence[int]) -> "Vectors":
        """Those of some heads of the layer alone, H = len(heads)."""
        query, key, value = (part[list(heads)] for part in (self.query, self.key, self.value))
        return Vectors(query, key, value, self.is_causal, tuple(heads))

    @property
    def n_queries(self) -> int:
        """The number of queries T."""
        return self.query.shape[1]

    @property
    def n_keys(self) -> int:
        """The number of keys S."""
        return self.key.shape[1]

    def blocks(self, first: int = 0, stop: int | None = None, step: int = 1) -> Iterator[slice]:
        """The rows of queries from ``first`` on, as many at once as are quick to compute.

        They are a multiple of ``step``, but for the last.
        """
        stop = self.n_queries if stop is None else stop
        rows = _CELLS_AT_ONCE // (self.query.shape[0] * self.n_keys)
        rows = max(rows // step, 1) * step
        return (slice(start, min(start + rows, stop)) for start in range(first, stop, rows))

    def n_seen(self, rows: slice) -> int:
        """How many keys the last of these rows sees."""
        return rows.stop if self.is_causal else self.n_keys

    def raw(self, rows: slice) -> Tensor:
        """The product q.k of every query with every key: (H, R, S)."""
        return self.query[:, rows] @ self.key.transpose(1, 2)

    def scaled(self, rows: slice, n_keys: int | None = None) -> Tensor:
        """The product over sqrt(D), with the first ``n_keys`` keys (default: all): (H, R, S)."""
        scores = self.query[:, rows] @ self.key[:, :n_keys].transpose(1, 2)
        return scores.div_(math.sqrt(self.query.shape[-1]))

    def masked(self, rows: slice) -> Tensor:
        """Scaled scores, minus infinity on the future: (H, R, S)."""
        missing = self.n_keys - self.n_seen(rows)
        return F.pad(self._seen_scores(rows), (0, missing), value=-torch.inf)

    def weights(self, rows: slice) -> Tensor:
        """The weight of each key, 1 in a row together: (H, R, S)."""
        return F.pad(self.seen_weights(rows), (0, self.n_keys - self.n_seen(rows)))

    def seen_weights(self, rows: slice) -> Tensor:
        """The weights of the keys that the last of these rows sees: (H, R, up to S)."""
        return self._seen_scores(rows).softmax(dim=-1)

    def mixed(self, weights: Tensor) -> Tensor:
        """The values gathered with weights (H, R, up to S): (H, R, D)."""
        return weights @ self.value[:, : weights.shape[-1]]

    def _seen_scores(self, rows: slice) -> Tensor:
        scores = self.scaled(rows, self.n_seen(rows))
        if self.is_causal:  # within the rows' own places lies the only future that they have
            own = scores[:, :, rows.start :]
            future = torch.ones(own.shape[1:], dtype=torch.bool, device=own.device).triu(1)
            own.masked_fill_(future, -torch.inf)
        return scores


def output_matrices(attention: Attention) -> Tensor:
    """What turns each head's values into what it adds to the residual stream: (H, D, C).

    Concatenating the heads and multiplying by the output matrix is the same as multiplying each
    by its rows of it, and adding. Without an output matrix a head writes to channels of its own.
    """
    H, D = attention.n_head, attention.head_size
    if isinstance(attention.output, nn.Identity):
        own = torch.eye(H * D, device=attention.query_key_value.weight.device)
        return own.view(H, D, H * D)
    weight = attention.output.get_parameter("weight").detach().float()  # (C, H * D)
    return weight.T.reshape(H, D, -1)
