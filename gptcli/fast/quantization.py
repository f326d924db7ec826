"""Weights of one byte, since the speed of generation is that of reading the weights.

Each output's row of a matrix is scaled so that its largest number is 127, and rounded; its
inputs keep their precision. (Absmax quantisation, row by row: Dettmers et al. 2022,
arXiv:2208.07339, section 2.1.)
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gptcli.fast.layers import replace_linear
from gptcli.fast.row_products import row_product, stored
from gptcli.model.gpt import GPT

_FEW_ROWS = 4  # torch's kernel reads the weights again for each row
_LANES = 16  # numbers per load of torch's kernel: it would read beyond the end of other widths


class Int8Linear(nn.Module):
    """A linear layer with weights (out, in) in int8 and one scale per output.

    For a few rows on the CPU the inputs are rounded to bfloat16.
    """

    weight: Tensor
    scale: Tensor

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach().float()
        largest = weight.abs().amax(dim=1).clamp(min=torch.finfo(torch.float32).tiny)
        # In bfloat16, so that kernels of either precision multiply by the same number.
        scale = (largest / 127).bfloat16().float()
        steps = (weight / scale[:, None]).round().clamp(-127, 127)
        self.register_buffer("weight", steps.to(torch.int8))
        self.register_buffer("scale", scale.to(linear.weight.dtype))
        self.bias = linear.bias

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        rows = x.numel() // x.shape[-1]
        if torch.compiler.is_exporting() and rows == 1:
            return row_product(x, self.weight, self.bias, self.scale)
        if rows <= _FEW_ROWS and x.device.type == "cpu" and x.shape[-1] % _LANES == 0:
            return self._by_kernel(x)
        return F.linear(x, self.weight.to(x.dtype) * self.scale.to(x.dtype)[:, None], self.bias)

    def _by_kernel(self, x: Tensor) -> Tensor:
        """Multiply with torch's int8 kernel, which is fast only for bfloat16."""
        rows, scale = x.flatten(0, -2).bfloat16(), stored(self.scale.bfloat16())
        output = torch._weight_int8pack_mm(rows, self.weight, scale).to(x.dtype)
        output = output if self.bias is None else output + self.bias
        return output.view(*x.shape[:-1], -1)


def quantize(model: GPT) -> GPT:
    """Replace the matrices of every block and the head, in place; embeddings stay as they are."""
    replace_linear(model, Int8Linear)
    return model
