"""How one number of a pattern comes about, step by step, and what it does to the stream.

D = head size, C = n_embd.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from gptcli.inspection.capture import LayerRecord
from gptcli.inspection.heads import Head
from gptcli.inspection.vectors import Vectors, output_matrices
from gptcli.model.attention import Attention


@dataclass(frozen=True)
class PairSteps:
    """Query token, key token and one head: every number from their vectors to the stream.

    Attributes:
        query_at: the place of the token that looks.
        key_at: the place of the token that is looked at.
        key_head: the number of the key and value in the layer; several queries may share one.
        n_head: the number of heads in the layer, whose output matrices stand side by side.
        received: what the layer's attention receives of the key's token, normalised: (C,).
        prepared: what happened to query and key after their matrices: norm, rotation, or nothing.
        query: the query (D,), prepared.
        key: the key (D,), prepared.
        value: the value (D,).
        raw: the sum of ``products``.
        scaled: raw over sqrt(D).
        masked: scaled, or minus infinity if the key is in the query's future.
        weight: masked after the softmax over all keys.
        written: what the value writes to the stream, before it is weighed: value W_O, (C,).
        head_update: what the head adds at the query's place: the sum over all keys, (C,).
        layer_update: what all heads and the bias add there, (C,).
        before: the residual stream at the query's place before attention (C,), if recorded.

    """

    head: Head
    query_at: int
    key_at: int
    key_head: int
    n_head: int
    received: Tensor
    prepared: tuple[str, ...]
    query: Tensor
    key: Tensor
    value: Tensor
    raw: float
    scaled: float
    masked: float
    weight: float
    written: Tensor
    head_update: Tensor
    layer_update: Tensor
    before: Tensor | None

    @property
    def products(self) -> Tensor:
        """Number by number, query times key: (D,)."""
        return self.query * self.key

    @property
    def weighted_value(self) -> Tensor:
        """The value times its weight: (D,)."""
        return self.weight * self.value

    @property
    def added(self) -> Tensor:
        """What this pair adds to the stream: weight times value W_O, (C,)."""
        return self.weight * self.written

    @property
    def after(self) -> Tensor | None:
        """The stream at the query's place after attention (C,)."""
        return None if self.before is None else self.before + self.layer_update


@torch.inference_mode()
def pair_steps(
    attention: Attention, layer: LayerRecord, head: Head, query_at: int, key_at: int
) -> PairSteps:
    """The steps of one pair in one head of this layer, in float32 on the CPU."""
    vectors, row = Vectors.of(attention, layer), slice(query_at, query_at + 1)
    one = vectors.of_heads([head.index])
    weights, matrix = one.weights(row), output_matrices(attention)[head.index]
    value = one.value[0, key_at]
    return PairSteps(
        head=head,
        query_at=query_at,
        key_at=key_at,
        key_head=head.index * attention.widths[1] // attention.widths[0],
        n_head=attention.n_head,
        received=(layer.received if layer.source is None else layer.source)[key_at].float().cpu(),
        prepared=_prepared(attention, layer),
        query=one.query[0, query_at].cpu(),
        key=one.key[0, key_at].cpu(),
        value=value.cpu(),
        raw=float(one.raw(row)[0, 0, key_at]),
        scaled=float(one.scaled(row)[0, 0, key_at]),
        masked=float(one.masked(row)[0, 0, key_at]),
        weight=float(weights[0, 0, key_at]),
        written=(value @ matrix).cpu(),
        head_update=(one.mixed(weights)[0, 0] @ matrix).cpu(),
        layer_update=layer.written[query_at].float().cpu(),
        before=None if layer.stream is None else layer.stream[query_at].float().cpu(),
    )


def _prepared(attention: Attention, layer: LayerRecord) -> tuple[str, ...]:
    is_normalised = not isinstance(attention.query_norm, torch.nn.Identity)
    steps = {"norm": is_normalised, "rotation": layer.signal is not None}
    return tuple(name for name, is_done in steps.items() if is_done)
