"""Exercise 1: all heads in one operation, with the heads as a dimension of the batch.

    python examples/lecture/heads_as_batch.py

B rows, T positions, C channels, H heads, D = C / H.
"""

import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformer import MultiHead, Size


class BatchedHeads(nn.Module):
    """`Head` and `MultiHead` merged: three matrices for all heads, and no loop over them."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.n_head = size.n_head
        self.qkv = nn.Linear(size.C, 3 * size.C, bias=False)
        self.proj = nn.Linear(size.C, size.C)

    @classmethod
    def of(cls, separate: MultiHead, size: Size) -> "BatchedHeads":
        """The same weights: those of the heads stacked below each other, head after head."""
        merged = cls(size)
        kinds = ("query", "key", "value")
        rows = [getattr(head, kind).weight for kind in kinds for head in separate.heads]
        merged.qkv.weight = nn.Parameter(torch.cat(rows).detach())
        merged.proj.load_state_dict(separate.proj.state_dict())
        return merged

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, T, C)."""
        T = x.shape[1]
        q, k, v = (
            part.unflatten(-1, (self.n_head, -1)).transpose(1, 2)  # (B, T, C) -> (B, H, T, D)
            for part in self.qkv(x).chunk(3, dim=-1)
        )
        scores = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5  # (B, H, T, T)
        scores = scores.masked_fill(torch.ones(T, T).triu(1).bool(), float("-inf"))
        out = F.softmax(scores, dim=-1) @ v  # (B, H, T, D)
        return self.proj(out.transpose(1, 2).flatten(2))  # heads side by side again


def milliseconds(f: Callable[[Tensor], Tensor], x: Tensor) -> float:
    """The shortest of ten calls."""
    times = []
    for _ in range(10):
        began = time.perf_counter()
        f(x)
        times.append(time.perf_counter() - began)
    return 1000 * min(times)


@torch.no_grad()
def main() -> None:
    """Print that both give the same, and how long they take."""
    torch.manual_seed(1337)
    size = Size(V=65, C=192, n_head=6, block_size=64)
    separate = MultiHead(size, causal=True)
    merged = BatchedHeads.of(separate, size)
    x = torch.randn(8, size.block_size, size.C)
    difference = (separate(x) - merged(x)).abs().max()
    print(f"largest difference between 6 separate heads and one operation: {difference:.1e}")
    print(f"separate {milliseconds(separate, x):.1f} ms, merged {milliseconds(merged, x):.1f} ms")
    print("gptcli/model/attention.py does the same and leaves the middle to torch's fused kernel,")
    print("which never writes the (T, T) scores to memory.")


if __name__ == "__main__":
    main()
