"""How much of the residual stream each head writes.

H heads, T positions, R rows of them, C = n_embd, D = head size.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from gptcli.inspection.capture import LayerRecord
from gptcli.inspection.vectors import output_matrices
from gptcli.model.attention import Attention


@dataclass(frozen=True)
class ResidualShares:
    """The lengths of what the heads of one layer write, relative to the stream behind them.

    ``compact`` (H, D, up to D) gives a head's output the length that it has after W_O;
    ``lengths`` (T,) are those of the stream behind the layer's attention.
    """

    compact: Tensor
    lengths: Tensor

    @classmethod
    def of(cls, attention: Attention, layer: LayerRecord) -> "ResidualShares":
        """Prepare the shares of one layer; without a residual stream attention's output is it."""
        matrices = output_matrices(attention)  # (H, D, C)
        # W_O = R^T Q^T, where Q only turns: R^T, which is smaller, gives the same lengths.
        upper = torch.linalg.qr(matrices.mT.cpu(), mode="r").R.to(matrices.device)
        written = layer.written.float()
        stream = written if layer.stream is None else layer.stream.float() + written
        return cls(upper.mT, stream.norm(dim=-1))

    def of_rows(self, mixed: Tensor, first: int) -> Tensor:
        """||m W_O|| / ||x|| for the outputs m of heads (H, R, D) at rows ``first``, ...: (H, R).

        x is the stream with all that the layer's attention adds to it, the bias included.
        """
        lengths = self.lengths[first : first + mixed.shape[1]]
        smallest = torch.finfo(lengths.dtype).tiny
        shares: Tensor = (mixed @ self.compact).norm(dim=-1) / lengths.clamp_min(smallest)
        return shares
