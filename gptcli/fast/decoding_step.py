"""The decoding step, one new token per row, in a form that torch can export.

It computes what GPT.hidden does for T = 1; its only state are the cached keys and values.
B rows, S positions with the new one, L = block_size, C = n_embd, H = n_head, K = n_kv_head,
D = head size, V = vocabulary.
"""

import torch
from torch import Tensor, nn

from gptcli.model.gpt import GPT, Block
from gptcli.model.positions import PositionSignal

_CACHE_LINE = 64  # bytes


class DecodingStep(nn.Module):
    """Logits after each row's newest token; its keys and values are written into the cache."""

    def __init__(self, model: GPT) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, ids: Tensor, positions: Tensor, keys: list[Tensor], values: list[Tensor]
    ) -> Tensor:
        """Ids (B, 1), keys and values (B, K, L, D) of each layer -> logits (B, V), float32.

        ``positions`` (S,) counts from 0. The last is that of ``ids`` and is filled in here.
        """
        model, n_positions = self.model, positions.shape[0]
        x, signal = model.embed(ids, positions[-1:])
        for block, key, value in zip(model.blocks, keys, values, strict=True):
            assert isinstance(block, Block)
            x = _through(block, x, signal, key, value, n_positions)
        return model.read_out(model.final_norm(x))[:, -1].float()


def _through(
    block: Block,
    x: Tensor,
    signal: PositionSignal | None,
    keys: Tensor,
    values: Tensor,
    n_positions: int,
) -> Tensor:
    """(B, 1, C) -> (B, 1, C)."""
    query, key, value = block.attention.project(block.attention_norm(x), signal)
    keys[:, :, n_positions - 1].copy_(key[:, :, 0])
    values[:, :, n_positions - 1].copy_(value[:, :, 0])
    mixed = attend_all(query[:, :, 0], keys[:, :, :n_positions], values[:, :, :n_positions])
    return block.compute(x, block.attention.merge(mixed[:, :, None]))


def attend_all(query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Queries (B, H, D) over all keys and values (B, K, S, D), in float32 -> (B, H, D)."""
    B, K, _, D = keys.shape
    grouped = (query.float() * D**-0.5).view(B, K, -1, 1, D)  # (B, K, H / K, 1, D)
    scores = (grouped * keys[:, :, None].float()).sum(-1)  # (B, K, H / K, S)
    weights = torch.softmax(scores, dim=-1)[..., None]
    # In parts of one cache line each: a compiler then sums the values in one pass over them.
    width = _CACHE_LINE // values.element_size()
    parts = torch.split(values[:, :, None].float(), width, dim=-1)
    mixed = torch.cat([(weights * part).sum(-2) for part in parts], dim=-1)  # (B, K, H / K, D)
    return mixed.flatten(1, 2).to(query.dtype)
