"""Explicit attention, checked against the fused kernel that the model runs.

Fused attention returns no weights, so they are computed again, in float32, from the recorded
input of each layer; its recorded output shows whether they are right.
H heads, T queries, S keys, R rows of queries, D = head size.
"""

from collections.abc import Iterable
from dataclasses import astuple, dataclass, field

import torch
from torch import Tensor

from gptcli.inspection.capture import LayerRecord
from gptcli.inspection.vectors import Vectors
from gptcli.model.attention import Attention


@dataclass(frozen=True)
class Check:
    """The largest errors of explicit attention.

    ``row_sum_max_error`` is that of the sums of its rows, which should be 1; ``future_mass_max``
    the largest weight on the future; ``fused_max_error`` that of the attention's output.
    """

    row_sum_max_error: float
    future_mass_max: float
    fused_max_error: float


@dataclass(frozen=True)
class LayerAttention:
    """Scaled scores before the mask, and the pattern after softmax: (H, T, S), query by key."""

    scores: Tensor
    pattern: Tensor
    check: Check


@torch.inference_mode()
def explicit_attention(attention: Attention, layer: LayerRecord) -> LayerAttention:
    """Scores and pattern of one layer (Vaswani et al. 2017, section 3.2), and their check."""
    vectors = Vectors.of(attention, layer)
    rows = slice(0, vectors.n_queries)
    pattern, checking = vectors.weights(rows), Checking(attention, layer, vectors)
    checking.see(rows, pattern)
    return LayerAttention(vectors.scaled(rows), pattern, checking.result())


@dataclass
class Checking:
    """The check of one layer, whose rows are seen some at a time, all of them in the end."""

    attention: Attention
    layer: LayerRecord
    vectors: Vectors
    row_sum_max_error: float = 0.0
    future_mass_max: float = 0.0
    mixed: list[Tensor] = field(default_factory=list)

    def see(self, rows: slice, weights: Tensor) -> Tensor:
        """Take in the weights (H, R, up to S) of the next rows, and return what they mix."""
        error = float((weights.sum(dim=-1) - 1).abs().max())
        self.row_sum_max_error = max(self.row_sum_max_error, error)
        if self.vectors.is_causal:
            future = weights[:, :, rows.start :].triu(1).sum(dim=-1)
            self.future_mass_max = max(self.future_mass_max, float(future.max()))
        self.mixed.append(self.vectors.mixed(weights))
        return self.mixed[-1]

    def result(self) -> Check:
        """The largest errors; the output is compared with the one that the model wrote."""
        assert not self.attention.training, "dropout would blur the comparison: call model.eval()"
        mixed = torch.cat(self.mixed, dim=1).to(self.layer.received.dtype)  # (H, T, D)
        deviation = self.attention.merge(mixed[None])[0] - self.layer.written
        return Check(self.row_sum_max_error, self.future_mass_max, float(deviation.abs().max()))


def worst(checks: Iterable[Check]) -> Check:
    """The largest of every figure; at least one check is needed."""
    return Check(*(max(column) for column in zip(*map(astuple, checks), strict=True)))
