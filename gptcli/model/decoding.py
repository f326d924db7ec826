"""One new token per row: the model's step without Python's or a cache object's bookkeeping.

It is what GPT.hidden computes for T = 1, in a form that torch can export: nothing but the cached
keys and values is state. B rows, S positions with the new one, L = block_size, C = n_embd,
H = n_head, K = n_kv_head, D = head size, V = vocabulary.
"""

import sys
from collections.abc import Callable

import torch
from torch import Tensor, nn

from gptcli.model.gpt import GPT, Block
from gptcli.model.rotary import Rotation

_BYTES = 4  # in a word
_MOST_SUMS = 16  # that the registers of a core hold


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
        x, rotation = model.embed(ids, positions[-1:])
        for block, key, value in zip(model.blocks, keys, values, strict=True):
            assert isinstance(block, Block)
            x = _through(block, x, rotation, key, value, n_positions)
        return model.read_out(model.final_norm(x))[:, -1].float()


def _through(
    block: Block,
    x: Tensor,
    rotation: Rotation | None,
    keys: Tensor,
    values: Tensor,
    n_positions: int,
) -> Tensor:
    """(B, 1, C) -> (B, 1, C)."""
    query, key, value = block.attention.project(block.attention_norm(x), rotation)
    keys[:, :, n_positions - 1].copy_(key[:, :, 0])
    values[:, :, n_positions - 1].copy_(value[:, :, 0])
    mixed = attend_all(query[:, :, 0], keys[:, :, :n_positions], values[:, :, :n_positions])
    return block.compute(x, block.attention.merge(mixed[:, :, None]))


def attend_all(query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Queries (B, H, D) over all keys and values (B, K, S, D), in float32 -> (B, H, D)."""
    B, K, _, D = keys.shape
    grouped = query.float().view(B, K, -1, 1, D)  # (B, K, H / K, 1, D)
    scores = (grouped * keys[:, :, None].float()).sum(-1) / D**0.5  # (B, K, H / K, S)
    weights = torch.softmax(scores, dim=-1)
    mixed = (weights[..., None] * values[:, :, None].float()).sum(-2)  # (B, K, H / K, D)
    return mixed.flatten(1, 2).to(query.dtype)


def fast_product(batch_size: int, dtype: torch.dtype) -> Callable[..., Tensor] | None:
    """What a compiler makes more of than of F.linear; None where libraries are faster."""
    if batch_size == 1:
        return row_product
    return rows_product if batch_size <= _MOST_SUMS and dtype == torch.float32 else None


def row_product(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, scale: Tensor | None = None
) -> Tensor:
    """F.linear of a single row (1, 1, in) as a sum, which compilers stream from memory.

    Two cores read 53 GB/s of weights this way and 14 through the library's product. ``scale``
    is that of each output, for weights that are whole numbers.
    """
    row = _stored(x.flatten().float())
    in_fours = weight.dtype == torch.int8 and weight.shape[1] % _BYTES == 0
    output = _sum_of_bytes(row, weight) if in_fours else (row * weight.float()).sum(-1)
    output = output if scale is None else output * scale.float()
    output = output if bias is None else output + bias.float()
    return output.to(x.dtype).view(*x.shape[:-1], -1)


def rows_product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """F.linear of a few rows (B, 1, in): the weights are read once, with a sum for each row."""
    rows = _stored(x.flatten(0, 1))
    output = torch.stack([(row * weight).sum(-1) for row in rows])
    return (output if bias is None else output + bias)[:, None]


def _sum_of_bytes(row: Tensor, weight: Tensor) -> Tensor:
    """The sum for int8, read four at a time: compilers load words into vectors, bytes one by one.

    ``row`` (in,) and ``weight`` (out, in) -> (out,).
    """
    words = weight.view(torch.int32)  # (out, in / 4); on big-endian machines the other way round
    places = range(_BYTES) if sys.byteorder == "little" else reversed(range(_BYTES))
    columns = _stored(row.view(-1, _BYTES).t().contiguous())  # (4, in / 4)
    shifts = [8 * (_BYTES - 1 - place) for place in places]
    # Up, so that the byte's sign is the word's, and down again.
    first, second, third, fourth = (
        column * ((words << shift) >> 8 * (_BYTES - 1)).float()
        for column, shift in zip(columns, shifts, strict=True)
    )
    total: Tensor = (first + second + third + fourth).sum(-1)
    return total


def _stored(values: Tensor) -> Tensor:
    """The same values, in memory: compilers would compute them anew for every output."""
    return values.as_strided(values.shape, values.stride())
