"""Chapter 5, the transformer: heads, feed-forward, residual connections, norms and dropout.

    python examples/lecture/transformer.py

The model that the next chapters train, part by part as the lecture adds them. B rows, T positions,
S positions of another source, C channels, D = head size, V entries in the vocabulary.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Size:
    """How large a model is, and which of its parts are there."""

    V: int
    block_size: int = 8
    C: int = 32
    n_head: int = 4
    n_layer: int = 3
    dropout: float = 0.0
    residual: bool = True
    norm: str = "pre"  # before each part as in the lecture, "post" as in 2017, or "none"
    causal: bool = True  # a decoder; an encoder has no mask


class Head(nn.Module):
    """One head of attention. What it looked at last is kept in ``wei``, to be shown."""

    def __init__(self, size: Size, causal: bool) -> None:
        super().__init__()
        D = size.C // size.n_head
        self.key = nn.Linear(size.C, D, bias=False)
        self.query = nn.Linear(size.C, D, bias=False)
        self.value = nn.Linear(size.C, D, bias=False)
        self.dropout = nn.Dropout(size.dropout)
        self.causal = causal
        self.wei = torch.empty(0)

    def forward(self, x: Tensor, source: Tensor) -> Tensor:
        """Queries of x (B, T, C) meet keys and values of the source (B, S, C) -> (B, T, D)."""
        q, k, v = self.query(x), self.key(source), self.value(source)
        scores = q @ k.transpose(-2, -1) * k.shape[-1] ** -0.5  # (B, T, S)
        if self.causal:
            future = torch.ones(scores.shape[-2:]).triu(1).bool()
            scores = scores.masked_fill(future, float("-inf"))
        wei = F.softmax(scores, dim=-1)
        self.wei = wei.detach()
        return self.dropout(wei) @ v


class MultiHead(nn.Module):
    """Several heads side by side: their outputs are concatenated, then mixed by a projection."""

    def __init__(self, size: Size, causal: bool) -> None:
        super().__init__()
        self.heads = nn.ModuleList(Head(size, causal) for _ in range(size.n_head))
        self.proj = nn.Linear(size.C, size.C)
        self.dropout = nn.Dropout(size.dropout)

    def forward(self, x: Tensor, source: Tensor | None = None) -> Tensor:
        """(B, T, C) -> (B, T, C); without a source x reads itself: self-attention."""
        source = x if source is None else source
        mixed = torch.cat([head(x, source) for head in self.heads], dim=-1)
        return self.dropout(self.proj(mixed))


class FeedForward(nn.Sequential):
    """What a position thinks by itself about what it has gathered."""

    def __init__(self, size: Size) -> None:
        C = size.C
        super().__init__(
            nn.Linear(C, 4 * C), nn.ReLU(), nn.Linear(4 * C, C), nn.Dropout(size.dropout)
        )


def make_norm(size: Size) -> nn.Module:
    """Scale each position's C numbers to mean 0 and variance 1, or leave them alone."""
    return nn.Identity() if size.norm == "none" else nn.LayerNorm(size.C)


class Block(nn.Module):
    """Communication, then computation; between them, in a translator, a look at the source."""

    def __init__(self, size: Size, reads_source: bool = False) -> None:
        super().__init__()
        self.size = size
        self.attention = MultiHead(size, size.causal)
        self.cross = MultiHead(size, causal=False) if reads_source else None
        self.feed_forward = FeedForward(size)
        self.norms = nn.ModuleList(make_norm(size) for _ in range(3 if reads_source else 2))

    def forward(self, x: Tensor, source: Tensor | None = None) -> Tensor:
        """(B, T, C), and for a translator the source (B, S, C) -> (B, T, C)."""
        x = self.around(self.norms[0], self.attention, x)
        if self.cross is not None:
            x = self.around(self.norms[2], lambda y: self.cross(y, source), x)
        return self.around(self.norms[1], self.feed_forward, x)

    def around(self, norm: nn.Module, part: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """A part of the block with its norm and its residual connection."""
        y = part(norm(x) if self.size.norm == "pre" else x)
        x = x + y if self.size.residual else y
        return norm(x) if self.size.norm == "post" else x


class Transformer(nn.Module):
    """Tokens and positions to logits. A decoder of these is the lecture's GPT."""

    def __init__(self, size: Size, reads_source: bool = False) -> None:
        super().__init__()
        self.size = size
        self.tokens = nn.Embedding(size.V, size.C)
        self.positions = nn.Embedding(size.block_size, size.C)
        self.blocks = nn.ModuleList(Block(size, reads_source) for _ in range(size.n_layer))
        self.norm = nn.LayerNorm(size.C) if size.norm == "pre" else nn.Identity()
        self.lm_head = nn.Linear(size.C, size.V)

    def read(self, ids: Tensor, source: Tensor | None = None) -> Tensor:
        """(B, T) -> (B, T, C): what each position knows in the end."""
        x = self.tokens(ids) + self.positions(torch.arange(ids.shape[1]))
        for block in self.blocks:
            x = block(x, source)
        return self.norm(x)

    def forward(self, ids: Tensor, source: Tensor | None = None) -> Tensor:
        """(B, T) -> logits (B, T, V)."""
        return self.lm_head(self.read(ids, source))


def show_shapes(size: Size) -> None:
    """Print the shapes within a block: four heads of 8 make 32 again."""
    x = torch.randn(4, size.block_size, size.C)
    block = Block(size)
    heads = block.attention.heads
    outputs = [head(x, x) for head in heads]
    print(f"x, {x.shape[0]} texts of {x.shape[1]} positions: {tuple(x.shape)}")
    print(f"one head of {len(heads)}: {tuple(outputs[0].shape)}")
    print(f"all heads, concatenated: {tuple(torch.cat(outputs, dim=-1).shape)}")
    print(f"inside the feed-forward layer: {tuple(block.feed_forward[0](x).shape)}")
    print(f"after the block: {tuple(block(x).shape)}")


@torch.no_grad()
def show_updates(size: Size) -> None:
    """Print how large a part's first update is beside the stream that it is added to."""
    model = Transformer(size)
    ids = torch.randint(size.V, (64, size.block_size))
    x = model.tokens(ids) + model.positions(torch.arange(size.block_size))
    print("\nan untrained block adds little, so gradients first flow through the stream itself:")
    for number, block in enumerate(model.blocks):
        for norm, part in zip(block.norms, (block.attention, block.feed_forward), strict=True):
            update = part(norm(x))
            share = (update.norm(dim=-1) / x.norm(dim=-1)).mean()
            name = type(part).__name__
            print(f"  block {number}, {name:<11} adds {share:.1%} of the stream's length")
            x = x + update


def main() -> None:
    """Print the shapes within a block, and how little an untrained one adds."""
    torch.manual_seed(1337)
    show_shapes(Size(V=65))
    show_updates(Size(V=65))


if __name__ == "__main__":
    main()
