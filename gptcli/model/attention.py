"""Multi-head attention: every head is a slice of one batched operation.

B rows, T positions, C = n_embd, H = n_head, K = n_kv_head, D = head size, S positions
attended to.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gptcli.config.model import ModelConfig
from gptcli.model.cache import LayerCache
from gptcli.model.norm import make_norm
from gptcli.model.positions import PositionSignal

# (query, key, value, past, dropout) -> what each query gathers; see ``attend``.
AttentionKernel = Callable[[Tensor, Tensor, Tensor, int | None, float], Tensor]


class Attention(nn.Module):
    """Each position gathers values, weighted by how its query meets their keys.

    Vaswani et al. 2017, section 3.2: softmax(q k^T / sqrt(D)) v. A ``causal`` one (a
    decoder's) looks at itself and its past, another (an encoder's) at every position. H / K
    queries share a key and a value (grouped queries, Ainslie et al. 2023).
    """

    def __init__(self, config: ModelConfig, causal: bool = True) -> None:
        super().__init__()
        D, H, K = config.head_size, config.n_head, config.key_value_heads
        self.causal = causal
        self.n_head, self.head_size = H, D
        self.widths = [H * D, K * D, K * D]
        self.dropout = config.dropout
        self.kernel: AttentionKernel = attend
        self.query_key_value = nn.Linear(config.n_embd, sum(self.widths), bias=config.qkv_bias)
        self.query_norm = make_norm(config, D) if config.qk_norm else nn.Identity()
        self.key_norm = make_norm(config, D) if config.qk_norm else nn.Identity()
        self.output: nn.Module = nn.Identity()
        if config.projections:
            self.output = nn.Linear(H * D, config.n_embd, bias=config.bias)
        self.output_dropout = nn.Dropout(config.dropout)

    def forward(
        self,
        x: Tensor,
        signal: PositionSignal | None = None,
        cache: LayerCache | None = None,
        source: Tensor | None = None,
    ) -> Tensor:
        """(B, T, C) -> (B, T, C).

        ``signal`` carries x's positions, for encodings that act within attention. With a
        ``cache``, x continues the positions held there. Keys and values come from ``source``
        (B, S, C) where one is given: cross-attention, which is not causal and has no positions.
        """
        assert source is None or not (self.causal or signal or cache), "cross-attention has none"
        query, key, value = self.project(x, signal, source)
        past = 0
        if cache is not None:
            past = cache.length
            key, value = cache.append(key, value)
        dropout = self.dropout if self.training else 0.0
        return self.merge(self.kernel(query, key, value, past if self.causal else None, dropout))

    def project(
        self, x: Tensor, signal: PositionSignal | None = None, source: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Queries (B, H, T, D), keys and values (B, K, S, D) of every head.

        Queries and keys are normalised, and their positions are encoded in them.
        """
        if source is None:
            parts = self.query_key_value(x).split(self.widths, dim=-1)
        else:
            parts = self._project_apart(x, source)
        query, key, value = (
            part.unflatten(-1, (-1, self.head_size)).transpose(1, 2) for part in parts
        )
        query, key = self.query_norm(query), self.key_norm(key)
        if signal is not None:
            query, key = signal.encode(query), signal.encode(key)
        return query, key, value

    def _project_apart(self, x: Tensor, source: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Project x to queries, source to keys and values, with their rows of the one matrix."""
        weights = torch.split(self.query_key_value.weight, self.widths)
        bias = self.query_key_value.bias
        biases = (None,) * 3 if bias is None else torch.split(bias, self.widths)
        query, key, value = (
            F.linear(origin, weight, bias)
            for origin, weight, bias in zip((x, source, source), weights, biases, strict=True)
        )
        return query, key, value

    def merge(self, mixed: Tensor) -> Tensor:
        """Concatenate the heads and write to the residual stream: (B, H, T, D) -> (B, T, C)."""
        output: Tensor = self.output_dropout(self.output(mixed.transpose(1, 2).flatten(2)))
        return output


def attend(query: Tensor, key: Tensor, value: Tensor, past: int | None, dropout: float) -> Tensor:
    """The fused kernel: queries (B, H, T, D), keys and values (B, K, S, D) -> (B, H, T, D).

    Queries follow ``past`` positions among the keys and see no future; None sees everything.
    """
    T, device = query.shape[2], query.device
    query, key = query.to(value.dtype), key.to(value.dtype)  # norms may have widened them
    return F.scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=_mask_after(past, T, device),
        dropout_p=dropout,
        is_causal=past == 0 and T > 1,
        enable_gqa=key.shape[1] != query.shape[1],
    )


def _mask_after(past: int | None, T: int, device: torch.device) -> Tensor | None:
    """Which of the past + T keys each of T new queries may see; None where no mask is needed."""
    if not past or T == 1:
        return None
    return torch.ones(T, past + T, dtype=torch.bool, device=device).tril(past)
