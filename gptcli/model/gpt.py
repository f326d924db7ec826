"""The GPT: embeddings, a stack of blocks, and a read-out over the vocabulary.

B rows, T positions, C = n_embd, V = vocabulary.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gptcli.config.model import NORM_EPSILON, ModelConfig
from gptcli.model.attention import CausalSelfAttention
from gptcli.model.cache import KeyValueCache, LayerCache
from gptcli.model.linear import Linear
from gptcli.model.mlp import MLP

# In place of a target that the loss leaves out.
UNCOUNTED = -100


class Block(nn.Module):
    """Communication, then computation, each normalised before and added to the stream."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.n_embd, NORM_EPSILON, bias=config.bias)
        self.attention = CausalSelfAttention(config)
        self.mlp_norm = nn.LayerNorm(config.n_embd, NORM_EPSILON, bias=config.bias)
        self.mlp = MLP(config)

    def forward(self, x: Tensor, cache: LayerCache | None = None) -> Tensor:
        """(B, T, C) -> (B, T, C)."""
        x = x + self.attention(self.attention_norm(x), cache)
        return x + self.mlp(self.mlp_norm(x))  # type: ignore[no-any-return]


class GPT(nn.Module):
    """A decoder-only transformer as in GPT-2 (Radford et al. 2019)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(config.vocab_size, config.n_embd)
        self.position_embedding = nn.Embedding(config.block_size, config.n_embd)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layer))
        self.final_norm = nn.LayerNorm(config.n_embd, NORM_EPSILON, bias=config.bias)
        self.lm_head = Linear(config.n_embd, config.vocab_size, bias=config.lm_head_bias)
        if config.tied:
            self.lm_head.weight = self.token_embedding.weight

    def forward(self, ids: Tensor, cache: KeyValueCache | None = None) -> Tensor:
        """Token ids (B, T) -> logits (B, T, V) for the token after each position."""
        logits: Tensor = self.lm_head(self.hidden(ids, cache))
        return logits

    def hidden(self, ids: Tensor, cache: KeyValueCache | None = None) -> Tensor:
        """Token ids (B, T) -> the normalised residual stream (B, T, C) that the head reads.

        With a cache, ids continue the positions held there and are added to them.
        """
        past = cache.length if cache is not None else 0
        end = past + ids.shape[1]
        assert end <= self.config.block_size, (
            f"{end} positions, context of {self.config.block_size}"
        )
        positions = torch.arange(past, end, device=ids.device)
        x = self.token_embedding(ids) + self.position_embedding(positions)  # (B, T, C)
        for index, block in enumerate(self.blocks):
            x = block(x, cache.layers[index] if cache is not None else None)
        stream: Tensor = self.final_norm(x)
        return stream


def next_token_loss(logits: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
    """Cross-entropy in nats, float32: logits (B, T, V), targets (B, T) -> mean, sum or (B, T).

    Targets that are UNCOUNTED have no loss and are not in the mean.
    """
    loss = F.cross_entropy(
        logits.float().flatten(0, 1),
        targets.flatten(),
        ignore_index=UNCOUNTED,
        reduction=reduction,
    )
    return loss.view_as(targets) if reduction == "none" else loss
