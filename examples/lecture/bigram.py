"""Chapter 2, the bigram: the next character is read off a table, one row for each character.

    python examples/lecture/bigram.py input.txt

The table is 65 x 65; a row holds the logits of what follows. B rows, T positions, V characters.
"""

import argparse
import math

import torch
import torch.nn.functional as F
from reading_the_data import Characters, get_batch, number_of_steps, read_text, split
from torch import Tensor, nn

BATCH, BLOCK = 32, 8


class Bigram(nn.Module):
    """A language model that looks at the last character and at nothing before it."""

    def __init__(self, V: int) -> None:
        super().__init__()
        self.table = nn.Embedding(V, V)

    def forward(self, ids: Tensor) -> Tensor:
        """(B, T) -> logits (B, T, V)."""
        return self.table(ids)


def loss_of(logits: Tensor, targets: Tensor) -> Tensor:
    """Minus the mean log-likelihood of the targets: (B, T, V), (B, T) -> a number."""
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


@torch.no_grad()
def estimate(model: nn.Module, ids: Tensor, batch_size: int, block_size: int, n: int) -> float:
    """The loss over n batches, without dropout: one batch alone is too noisy to compare by."""
    model.eval()
    losses = []
    for _ in range(n):
        inputs, targets = get_batch(ids, batch_size, block_size)
        losses.append(loss_of(model(inputs), targets).item())
    model.train()
    return sum(losses) / n


def train(
    model: nn.Module,
    splits: tuple[Tensor, Tensor],
    steps: int,
    batch_size: int,
    block_size: int,
    lr: float,
    every: int = 500,
) -> float:
    """Train a model and print its losses now and then; returns the validation loss at the end."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    for step in range(steps + 1):
        if step % every == 0 or step == steps:
            # 100 batches, twenty at once, which takes less time
            losses = [estimate(model, ids, 20 * batch_size, block_size, 5) for ids in splits]
            print("step {}: train loss {:.4f}, val loss {:.4f}".format(step, *losses), flush=True)
        if step < steps:
            inputs, targets = get_batch(splits[0], batch_size, block_size)
            optimizer.zero_grad(set_to_none=True)
            loss_of(model(inputs), targets).backward()
            optimizer.step()
    return losses[1]


@torch.no_grad()
def generate(model: nn.Module, ids: Tensor, n: int, block_size: int) -> Tensor:
    """Draw n more tokens, one after the other: (B, T) -> (B, T + n).

    A model reads at most the last ``block_size``: it has no positions for more.
    """
    for _ in range(n):
        logits = model(ids[:, -block_size:])[:, -1]
        drawn = torch.multinomial(F.softmax(logits, dim=-1), num_samples=1)
        ids = torch.cat([ids, drawn], dim=1)
    return ids


def why_the_untrained_loss_is_high(logits: Tensor, targets: Tensor) -> None:
    """Print the two terms of the loss, log(sum(exp(logits))) - logit of the target."""
    V = logits.shape[-1]
    spread = logits.logsumexp(dim=-1).mean() - math.log(V)
    of_targets = logits.gather(-1, targets[..., None]).mean()
    print(f"  an even guess costs -ln(1/{V}):            {math.log(V):7.4f}")
    print(f"  + logits from N(0, 1) are not even:       {spread:+7.4f}  (on average nearly 1/2)")
    print(f"  - the logits that these targets have:     {-of_targets:+7.4f}  (on average 0)")
    print("  so a random table is sure of itself without a reason; one of small numbers is not:")


def main(argv: list[str] | None = None) -> None:
    """Print the untrained loss and text, train, and print both again."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", help="Tiny Shakespeare, for the lecture's numbers")
    parser.add_argument("--steps", type=number_of_steps, default=3000)
    asked = parser.parse_args(argv)
    text = read_text(asked.text)
    characters = Characters(text)
    V = len(characters.alphabet)
    splits = split(torch.tensor(characters.encode(text)))

    torch.manual_seed(1337)
    inputs, targets = get_batch(splits[0], 4, BLOCK)
    torch.manual_seed(1337)
    model = Bigram(V)
    logits = model(inputs)
    print(f"logits: {tuple(logits.shape)}")
    print(f"loss of the untrained table on this batch: {loss_of(logits, targets):.4f}")
    why_the_untrained_loss_is_high(logits.detach(), targets)
    print(f"  a hundredth of this table has a loss of {loss_of(logits / 100, targets):.4f}")

    start = torch.zeros((1, 1), dtype=torch.long)  # id 0, in Tiny Shakespeare a new line
    print("100 characters of the untrained table:")
    print(characters.decode(generate(model, start, 100, BLOCK)[0].tolist()))

    # A rate of 1e-2 is high, and fine for a table: no row disturbs another.
    train(model, splits, asked.steps, BATCH, BLOCK, lr=1e-2)
    print("300 characters of the trained table:")
    print(characters.decode(generate(model, start, 300, BLOCK)[0].tolist()))


if __name__ == "__main__":
    main()
