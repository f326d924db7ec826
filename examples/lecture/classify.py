"""Chapter 9, an encoder for a task: is a review good or bad on the whole?

    python examples/lecture/classify.py

Reviews and their labels are made by rule: most of three clauses decide, and "not" turns one round.
So it matters which word a "not" belongs to. The first token, <read>, is there to gather what the
answer needs. B rows, T positions, C channels.
"""

import argparse
import random

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformer import Size, Transformer

GOOD, BAD = ("good", "great", "lovely"), ("bad", "dull", "awful")
THINGS, DEGREES = ("film", "song", "book", "play"), ("not", "very", "so", "quite")
WORDS = ("<read>", "the", "was", ",", *THINGS, *DEGREES, *GOOD, *BAD)
BATCH = 64


def review(drawn: random.Random) -> tuple[list[str], int]:
    """Three clauses such as "the film was not good", and 1 where two or more of them are praise."""
    words, praise = ["<read>"], 0
    for _ in range(3):
        degree, judgement = drawn.choice(DEGREES), drawn.choice(GOOD + BAD)
        words += ["the", drawn.choice(THINGS), "was", degree, judgement, ","]
        praise += (judgement in GOOD) != (degree == "not")
    return words[:-1], int(praise >= 2)


def reviews(drawn: random.Random, n: int) -> tuple[Tensor, Tensor]:
    """Token ids (B, T) and labels (B,)."""
    made = [review(drawn) for _ in range(n)]
    ids = torch.tensor([[WORDS.index(word) for word in words] for words, _ in made])
    return ids, torch.tensor([label for _, label in made])


class Classifier(nn.Module):
    """A transformer whose first position answers, by two logits instead of a vocabulary."""

    def __init__(self, causal: bool) -> None:
        super().__init__()
        size = Size(V=len(WORDS), block_size=18, n_layer=2, causal=causal)
        self.encoder = Transformer(size)
        self.answer = nn.Linear(size.C, 2)

    def forward(self, ids: Tensor) -> Tensor:
        """(B, T) -> logits (B, 2)."""
        return self.answer(self.encoder.read(ids)[:, 0])


def accuracy_after(model: nn.Module, steps: int) -> float:
    """Train on fresh reviews; returns the share of 2,000 other ones that is answered rightly."""
    drawn = random.Random(1337)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(steps):
        ids, labels = reviews(drawn, BATCH)
        loss = F.cross_entropy(model(ids), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        ids, labels = reviews(random.Random(1), 2000)
        return (model(ids).argmax(dim=-1) == labels).float().mean().item()


@torch.no_grad()
def show_what_the_answer_reads(model: Classifier, words: list[str]) -> None:
    """Print what <read> takes from each word in both blocks, as the mean of the heads."""
    model(torch.tensor([[WORDS.index(word) for word in words]]))
    means = [
        torch.stack([head.wei[0, 0] for head in block.attention.heads]).mean(dim=0)
        for block in model.encoder.blocks
    ]
    for place, word in enumerate(words):
        bars = ["#" * round(40 * mean[place].item()) for mean in means]
        print(f"  {word:<7} {bars[0]:<14} {bars[1]}".rstrip())


def main(argv: list[str] | None = None) -> None:
    """Train three models that see less or more of a review, and print how often each is right."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1500)
    steps = parser.parse_args(argv).steps
    words, label = review(random.Random(3))
    print(f"{' '.join(words[1:])} -> {('bad', 'good')[label]}")
    torch.manual_seed(1337)
    encoder = Classifier(causal=False)
    models = {
        "words counted, order unknown": nn.EmbeddingBag(len(WORDS), 2, mode="sum"),
        "decoder: <read> sees only itself": Classifier(causal=True),
        "encoder: <read> sees everything": encoder,
    }
    for name, model in models.items():
        print(f"{name:<33} {accuracy_after(model, steps):.1%} right", flush=True)
    print("what <read> takes from the words in the encoder's two blocks")
    show_what_the_answer_reads(encoder, words)


if __name__ == "__main__":
    main()
