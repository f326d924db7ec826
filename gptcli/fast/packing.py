"""Weights packed into tiles, for decoding steps of several samples.

A tile has as many outputs as a register has lanes, and is read input by input: one load serves
every row, no sum runs across a register, and memory is read from end to end. (Goto and van de
Geijn 2008, "Anatomy of high-performance matrix multiplication", section 4.)
"""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gptcli.fast.layers import replace_linear
from gptcli.fast.row_products import stored
from gptcli.model.gpt import GPT

_LANES = 16  # float32 numbers in an AVX-512 register; others need two or four registers
_MOST_ROWS = 16  # whose sums fit into the registers


class PackedLinear(nn.Module):
    """A linear layer for rows (B, 1, in), with weights (out / 16, in, 16) of its own."""

    tiles: Tensor

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.out_features = linear.out_features
        weight, missing = linear.weight.detach(), -self.out_features % _LANES
        weight = F.pad(weight, (0, 0, 0, missing)) if missing else weight
        tiles = weight.view(-1, _LANES, linear.in_features).transpose(1, 2).contiguous()
        self.register_buffer("tiles", tiles)
        self.bias = linear.bias

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1, in) -> (B, 1, out)."""
        inputs = stored(x.flatten(0, 1).t().contiguous())  # (in, B)
        sums = [(row[:, None] * self.tiles).sum(1) for row in inputs.unbind(1)]
        output = torch.stack(sums).flatten(1)[:, : self.out_features]
        return (output if self.bias is None else output + self.bias)[:, None]


def packed(model: GPT, batch_size: int) -> GPT:
    """The model for steps of ``batch_size`` rows, its matrices packed where that is faster.

    Everything else is shared with ``model``, which stays as it is.
    """
    if not 1 < batch_size <= _MOST_ROWS or model.token_embedding.weight.dtype != torch.float32:
        return model
    shared = {id(value): value for value in (*model.parameters(), *model.buffers())}
    twin = copy.deepcopy(model, shared)
    replace_linear(twin, PackedLinear)
    return twin
