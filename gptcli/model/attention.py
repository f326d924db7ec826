"""Causal multi-head self-attention: every head is a slice of one batched operation.

B rows, T positions, C = n_embd, H = n_head, D = head size, S positions attended to.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gptcli.config.model import ModelConfig
from gptcli.model.cache import LayerCache
from gptcli.model.linear import Linear


class CausalSelfAttention(nn.Module):
    """Each position gathers values from itself and its past, weighted by query and key.

    Vaswani et al. 2017, section 3.2: softmax(q k^T / sqrt(D)) v, with the future masked.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.n_head = config.n_head
        self.dropout = config.dropout
        has_qkv_bias = config.bias and config.qkv_bias
        self.query_key_value = Linear(config.n_embd, 3 * config.n_embd, bias=has_qkv_bias)
        self.output = Linear(config.n_embd, config.n_embd, bias=config.bias)
        self.output_dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, cache: LayerCache | None = None) -> Tensor:
        """(B, T, C) -> (B, T, C); with a cache, x continues the positions held there."""
        query, key, value = self.project(x)
        past = 0
        if cache is not None:
            past = cache.length
            key, value = cache.append(key, value)
        dropout = self.dropout if self.training else 0.0
        return self.merge(_attend(query, key, value, past, dropout))

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Query, key and value of every head: (B, T, C) -> three times (B, H, T, D)."""
        B, T, C = x.shape
        projected = self.query_key_value(x).view(B, T, 3, self.n_head, C // self.n_head)
        query, key, value = projected.permute(2, 0, 3, 1, 4)
        return query, key, value

    def merge(self, mixed: Tensor) -> Tensor:
        """Concatenate the heads and write to the residual stream: (B, H, T, D) -> (B, T, C)."""
        output: Tensor = self.output_dropout(self.output(mixed.transpose(1, 2).flatten(2)))
        return output


def _attend(query: Tensor, key: Tensor, value: Tensor, past: int, dropout: float) -> Tensor:
    """The fused kernel: (B, H, T, D) with keys of past + T positions -> (B, H, T, D)."""
    T, device = query.shape[2], query.device
    if device.type == "cpu" and query.dtype == torch.bfloat16 and query.shape[3] < 64:
        # The CPU's bfloat16 kernel is twice as slow as the float32 one for small heads.
        with torch.autocast("cpu", enabled=False):
            wide = _attend(query.float(), key.float(), value.float(), past, dropout)
        return wide.to(query.dtype)
    return F.scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=_mask_after(past, T, device),
        dropout_p=dropout,
        is_causal=past == 0 and T > 1,
    )


def _mask_after(past: int, T: int, device: torch.device) -> Tensor | None:
    """Which of the past + T keys each of T new queries may see; None where no mask is needed."""
    if past == 0 or T == 1:
        return None
    return torch.ones(T, past + T, dtype=torch.bool, device=device).tril(past)
