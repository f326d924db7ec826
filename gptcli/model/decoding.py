"""One new token per row: the model's step without Python's or a cache object's bookkeeping.

It is what GPT.hidden computes for T = 1, in a form that torch can export: the positions held
are the length S of the cached keys and values, nothing else is state. B rows, C = n_embd,
H = n_head, K = n_kv_head, D = head size, V = vocabulary.
"""

import sys

import torch
from torch import Tensor, nn

from gptcli.model.gpt import GPT, Block
from gptcli.model.rotary import Rotation

_BYTES = 4  # in a word


class DecodingStep(nn.Module):
    """Logits after each row's newest token; its keys and values are written into the cache."""

    def __init__(self, model: GPT) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, keys: list[Tensor], values: list[Tensor]) -> Tensor:
        """Ids (B, 1), keys and values (S, B, K, D) of each layer -> logits (B, V), float32.

        The last of the S positions is that of ``ids`` and is filled in here.
        """
        model = self.model
        positions = torch.full((1,), keys[0].shape[0] - 1, dtype=torch.long)
        x, rotation = model.embed(ids, positions)
        for block, key, value in zip(model.blocks, keys, values, strict=True):
            assert isinstance(block, Block)
            x = _through(block, x, rotation, key, value)
        return model.read_out(model.final_norm(x))[:, -1].float()


def _through(
    block: Block, x: Tensor, rotation: Rotation | None, keys: Tensor, values: Tensor
) -> Tensor:
    """(B, 1, C) -> (B, 1, C)."""
    query, key, value = block.attention.project(block.attention_norm(x), rotation)
    keys[-1].copy_(key[:, :, 0])
    values[-1].copy_(value[:, :, 0])
    mixed = attend_all(query[:, :, 0], keys, values)
    return block.compute(x, block.attention.merge(mixed[:, :, None]))


def attend_all(query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Queries (B, H, D) over all keys and values (S, B, K, D), in float32 -> (B, H, D)."""
    K, D = keys.shape[2:]
    grouped = query.float().view(len(query), K, -1, D)  # (B, K, H / K, D)
    scores = (grouped * keys[:, :, :, None].float()).sum(-1) / D**0.5  # (S, B, K, H / K)
    weights = torch.softmax(scores, dim=0)
    mixed = (weights[..., None] * values[:, :, :, None].float()).sum(0)
    return mixed.flatten(1, 2).to(query.dtype)


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


def _sum_of_bytes(row: Tensor, weight: Tensor) -> Tensor:
    """The sum for int8, read four at a time: compilers load words into vectors, bytes one by one.

    ``row`` (in,) and ``weight`` (out, in) -> (out,).
    """
    words = weight.view(torch.int32)  # (out, in / 4); on big-endian machines the other way round
    places = range(_BYTES) if sys.byteorder == "little" else reversed(range(_BYTES))
    columns = _stored(row.view(-1, _BYTES).t().contiguous())  # (4, in / 4)
    shifts = [8 * (_BYTES - 1 - place) for place in places]
    # Up, so that the byte's sign is the word's, and down again.
    parts = [
        column * ((words << shift) >> 8 * (_BYTES - 1)).float()
        for column, shift in zip(columns, shifts, strict=True)
    ]
    return (parts[0] + parts[1] + parts[2] + parts[3]).sum(-1)


def _stored(values: Tensor) -> Tensor:
    """The same values, in memory: compilers would compute them anew for every output."""
    return values.as_strided(values.shape, values.stride())
