"""Chapter 6, norms and dropout: what is made even, where a norm stands, what is left out by chance.

    python examples/lecture/norms_and_dropout.py

B rows (texts, or examples of a batch), C channels.
"""

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformer import Size, Transformer


def normalised(x: Tensor, dim: int) -> Tensor:
    """Mean 0 and variance 1 along one dimension: 0 is batch norm, 1 is layer norm.

    (B, C) -> (B, C). Both layers then multiply by a gain and add a bias, which begin as 1 and 0;
    batch norm also keeps running means for the time when there is no batch to take them from.
    """
    mean = x.mean(dim, keepdim=True)
    variance = x.var(dim, keepdim=True)
    return (x - mean) / torch.sqrt(variance + 1e-5)


def show_rows_and_columns() -> None:
    """Print what each norm makes even: columns are channels, rows are examples."""
    torch.manual_seed(1337)
    x = torch.randn(32, 100)  # 32 examples of 100 channels
    print("mean and standard deviation     of channel 0 (a column)   of example 0 (a row)")
    for name, y in (
        ("as drawn", x),
        ("batch norm, along the columns", normalised(x, dim=0)),
        ("layer norm, along the rows", normalised(x, dim=1)),
    ):
        column = f"{y[:, 0].mean():7.4f} {y[:, 0].std():7.4f}"
        print(f"{name:<31} {column:<25} {y[0].mean():7.4f} {y[0].std():7.4f}")
    alone = normalised(x[:1], dim=1)
    print(f"layer norm of example 0 alone is the same: {torch.equal(alone, normalised(x, 1)[:1])}")
    print("batch norm of it alone has no batch to compare with, so it needs its running means")


def through_blocks(norm: str, n_layer: int) -> tuple[float, float, float]:
    """Send the stream through untrained blocks: its cosine to what came in, how much longer it is,
    and the length of the gradient that arrives at the input.
    """
    torch.manual_seed(1337)
    model = Transformer(Size(V=65, n_layer=n_layer, norm=norm))
    ids, targets = torch.randint(65, (32, 8)), torch.randint(65, (32, 8))
    start = (model.tokens(ids) + model.positions(torch.arange(8))).detach().requires_grad_()
    x = start
    for block in model.blocks:
        x = block(x)
    F.cross_entropy(model.lm_head(model.norm(x)).flatten(0, 1), targets.flatten()).backward()
    likeness = F.cosine_similarity(start, x, dim=-1).mean().item()
    growth = (x.norm(dim=-1) / start.norm(dim=-1)).mean().item()
    return likeness, growth, start.grad.norm().item()


def show_where_norms_stand(n_layer: int = 24) -> None:
    """Print it for norms before each part (since GPT-2), after it (2017), and for none."""
    columns = "cosine to the input   length   gradient at the input"
    print(f"\n{n_layer} untrained blocks         {columns}")
    kinds = {
        "pre-norm, x + f(norm(x))": "pre",
        "post-norm, norm(x + f(x))": "post",
        "no norm, x + f(x)": "none",
    }
    for name, kind in kinds.items():
        likeness, growth, gradient = through_blocks(kind, n_layer)
        print(f"{name:<27} {likeness:18.2f} {growth:8.2f} {gradient:23.3f}")
    print("pre-norm leaves the stream alone: most of what came in is still there at the end;")
    print("post-norm scales it down in every block; without norms stream and gradient grow")


def show_dropout(p: float = 0.2) -> None:
    """Print what dropout does in training, and that it does nothing afterwards."""
    torch.manual_seed(1337)
    layer = nn.Dropout(p)
    print(f"\ndropout {p} of ten ones: {layer(torch.ones(10)).tolist()}")
    y = layer(torch.ones(100_000))
    zeros = (y == 0).float().mean()
    print(f"of 100,000: {zeros:.1%} are 0, the others {y.max():.2f}, mean {y.mean():.2f}")
    size = Size(V=65, dropout=p)
    model = Transformer(size)
    ids = torch.randint(size.V, (1, size.block_size))
    different = not torch.equal(model(ids), model(ids))
    model.eval()
    print(f"in training one input gives two outputs: {different}: an ensemble of thinner networks")
    print(f"after model.eval() it gives one: {torch.equal(model(ids), model(ids))}")
    plain = Transformer(replace(size, dropout=0.0))
    plain.load_state_dict(model.state_dict())
    print(f"and that is the output without dropout: {torch.equal(model(ids), plain(ids))}")


def main() -> None:
    """Print all of it."""
    show_rows_and_columns()
    show_where_norms_stand()
    show_dropout()


if __name__ == "__main__":
    main()
