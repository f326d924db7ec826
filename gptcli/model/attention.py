"""Causal multi-head self-attention: every head is a slice of one batched operation.

B rows, T positions, C = n_embd, H = n_head, D = head size, S positions attended to.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gptcli.config.model import ModelConfig
from gptcli.model.cache import LayerCache


class CausalSelfAttention(nn.Module):
    """Each position gathers values from itself and its past, weighted by query and key.

    Vaswani et al. 2017, section 3.2: softmax(q k^T / sqrt(D)) v, with the future masked.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.n_head = config.n_head
        self.dropout = config.dropout
        has_qkv_bias = config.bias and config.qkv_bias
        self.query_key_value = nn.Linear(config.n_embd, 3 * config.n_embd, bias=has_qkv_bias)
        self.output = nn.Linear(config.n_embd, config.n_embd, bias=config.bias)
        self.output_dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, cache: LayerCache | None = None) -> Tensor:
        """(B, T, C) -> (B, T, C); with a cache, x continues the positions held there."""
        query, key, value = self.project(x)
        past = 0
        if cache is not None:
            past = cache.length
            key, value = cache.append(key, value)
        mixed = F.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=_mask_after(past, x.shape[1], x.device),
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=past == 0 and x.shape[1] > 1,
        )
        return self.merge(mixed)

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


def _mask_after(past: int, T: int, device: torch.device) -> Tensor | None:
    """Which of the past + T keys each of T new queries may see; None where no mask is needed."""
    if past == 0 or T == 1:
        return None
    return torch.ones(T, past + T, dtype=torch.bool, device=device).tril(past)
