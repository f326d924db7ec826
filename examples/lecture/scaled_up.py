"""Chapter 8, scaled up: the lecture's large model, and what it takes on this machine.

    python examples/lecture/scaled_up.py input.txt [--steps 5000]

Six blocks of six heads, 384 channels, a context of 256, batches of 64, dropout 0.2: about 15
minutes on an A100. Two steps show what 5,000 would take here; they take some 8 GB of memory, and
less with a smaller --batch-size.
"""

import argparse
import time

import torch
from bigram import estimate, generate, loss_of
from reading_the_data import Characters, get_batch, number_of_steps, read_text, split
from torch import Tensor, nn
from transformer import Size, Transformer

STEPS, LECTURE_LOSS = 5000, 1.48
RECIPE = """What reaches that loss on two CPU cores is another recipe, gptcli's own for a CPU:
  gptcli prepare shakespeare && gptcli train --data data/shakespeare --time-budget 2m
    1.4390 after 1,034 steps: a smaller model (128 channels), 16 texts at once, and Muon
  gptcli train --data data/shakespeare --n-layer 6 --n-head 6
    1.3933 after ten minutes
The lecture's own model and training, in bfloat16 and with fused attention:
  gptcli train --data data/shakespeare --preset lecture"""


def show_parameters(model: Transformer) -> None:
    """Print how many numbers are learnt, and where they are."""
    parts = {
        "token table": model.tokens,
        "position table": model.positions,
        "attention": nn.ModuleList(block.attention for block in model.blocks),
        "feed-forward": nn.ModuleList(block.feed_forward for block in model.blocks),
        "norms": nn.ModuleList([model.norm, *(block.norms for block in model.blocks)]),
        "head": model.lm_head,
    }
    for name, part in parts.items():
        print(f"  {name:<15} {count(part):>11,}")
    print(f"  {'all':<15} {count(model):>11,}")


def count(part: nn.Module) -> int:
    """The number of parameters."""
    return sum(parameter.numel() for parameter in part.parameters())


def train(model: Transformer, ids: Tensor, batch_size: int, steps: int) -> float:
    """Train for some steps; returns the seconds of a step, without the first, which warms up."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)
    began = time.perf_counter()
    for step in range(steps):
        if step == 1:
            began = time.perf_counter()
        inputs, targets = get_batch(ids, batch_size, model.size.block_size)
        loss = loss_of(model(inputs), targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if step % 100 == 0 or step == steps - 1:
            print(f"step {step}: train loss {loss.item():.4f}", flush=True)
    return (time.perf_counter() - began) / max(1, steps - 1)


def main(argv: list[str] | None = None) -> None:
    """Print the model, train it for as long as asked, and print what all of it would take."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", help="Tiny Shakespeare, for the lecture's numbers")
    parser.add_argument("--steps", type=number_of_steps, default=2, help="the lecture's: 5000")
    parser.add_argument("--batch-size", type=int, default=64)
    asked = parser.parse_args(argv)
    text = read_text(asked.text)
    characters = Characters(text)
    train_ids, val_ids = split(torch.tensor(characters.encode(text)))
    torch.manual_seed(1337)
    size = Size(V=len(characters.alphabet), block_size=256, C=384, n_head=6, n_layer=6, dropout=0.2)
    model = Transformer(size)
    print("parameters")
    show_parameters(model)
    seconds = train(model, train_ids, asked.batch_size, asked.steps)
    hours = seconds * STEPS / 3600
    print(f"{seconds:.1f} s a step of {asked.batch_size} texts, {hours:.1f} hours for {STEPS:,}")
    print(f"(5,000 steps of 64 texts are the lecture's way to a validation loss of {LECTURE_LOSS})")
    if asked.steps >= 100:
        loss = estimate(model, val_ids, asked.batch_size, size.block_size, 20)
        print(f"val loss {loss:.4f}")
        model.eval()
        start = torch.zeros((1, 1), dtype=torch.long)
        print(characters.decode(generate(model, start, 500, size.block_size)[0].tolist()))
    print(RECIPE)


if __name__ == "__main__":
    main()
