"""Chapter 7, blocks in training: what residual connections, norms and dropout are good for.

    python examples/lecture/blocks.py input.txt [--steps 500]

Three blocks of four heads, 32 channels, a context of 8, as in the lecture; one thing changes at a
time. All models see the same batches. 5,000 steps of each take some minutes on two CPU cores.
"""

import argparse

import torch
from bigram import generate, train
from reading_the_data import Characters, number_of_steps, read_text, split
from transformer import Size, Transformer

BATCH = 32
# What changes, and what the lecture reads off for the validation loss where it has this model.
VARIANTS = {
    "no residuals, no norms": ({"residual": False, "norm": "none"}, ""),
    "residuals": ({"norm": "none"}, "2.08"),
    "residuals and pre-norm": ({}, "2.06"),
    "residuals and post-norm": ({"norm": "post"}, ""),
    "pre-norm and dropout 0.2": ({"dropout": 0.2}, ""),
}


def main(argv: list[str] | None = None) -> None:
    """Train every variant, and print their losses in one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", help="Tiny Shakespeare, for the lecture's numbers")
    parser.add_argument("--steps", type=number_of_steps, default=5000)
    asked = parser.parse_args(argv)
    text = read_text(asked.text)
    characters = Characters(text)
    splits = split(torch.tensor(characters.encode(text)))
    losses = {}
    for name, (change, _) in VARIANTS.items():
        print(name)
        torch.manual_seed(1337)
        model = Transformer(Size(V=len(characters.alphabet), **change))
        torch.manual_seed(1337)
        losses[name] = train(model, splits, asked.steps, BATCH, 8, lr=1e-3, every=1000)
    print(f"\n{'validation loss':<27} {asked.steps} steps   lecture, 5000 steps")
    for name, loss in losses.items():
        print(f"{name:<27} {loss:10.3f}   {VARIANTS[name][1]}")
    print("\nDropout keeps a large model from learning the text by heart, which this small one")
    print("cannot do anyway. 200 characters of the last model:")
    model.eval()
    start = torch.zeros((1, 1), dtype=torch.long)
    print(characters.decode(generate(model, start, 200, 8)[0].tolist()))


if __name__ == "__main__":
    main()
