"""Chapter 10, encoder and decoder: translation between languages of different word order.

    python examples/lecture/word_order.py [--picture attention.svg]

English puts its adjectives before the noun, Spanish behind it, the nearest still the nearest:
"this small red boat" is "este barco rojo pequeño". The grammar is made, so that every translation
is known, and where each of its words comes from. B rows, S source positions, T target positions.
"""

import argparse
import random

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformer import Size, Transformer

NOUNS = {"dog": "perro", "cat": "gato", "boat": "barco", "tree": "árbol", "book": "libro"}
ADJECTIVES = {"red": "rojo", "green": "verde", "small": "pequeño", "old": "viejo", "big": "grande"}
ARTICLES, VERBS = {"the": "el", "this": "este"}, {"sees": "ve", "seeks": "busca", "has": "tiene"}
START, END = "<start>", "."  # a sentence is filled up with ends
MEANING = {**NOUNS, **ADJECTIVES, **ARTICLES, **VERBS, END: END}
ENGLISH, SPANISH = (START, *MEANING), (START, *MEANING.values())
LENGTH, BATCH = 10, 64  # at most nine words and an end

Pair = tuple[list[str], list[int]]


def sentence(drawn: random.Random) -> Pair:
    """An English sentence, and for each word of its translation the place where it comes from."""
    words, origins = [], []
    for part in (NOUNS, VERBS, NOUNS):
        if part is VERBS:
            origins.append(len(words))
            words.append(drawn.choice(list(VERBS)))
            continue
        adjectives = drawn.sample(list(ADJECTIVES), drawn.randint(0, 2))
        first, noun = len(words), len(words) + 1 + len(adjectives)
        words += [drawn.choice(list(ARTICLES)), *adjectives, drawn.choice(list(NOUNS))]
        origins += [first, *range(noun, first, -1)]  # article, noun, adjectives backwards
    return [*words, END], [*origins, len(words)]


def translation(pair: Pair) -> list[str]:
    """The sentence in Spanish."""
    words, origins = pair
    return [MEANING[words[place]] for place in origins]


def encoded(pairs: list[Pair]) -> tuple[Tensor, Tensor]:
    """English ids (B, S), and Spanish ids (B, T) behind a start token."""
    sources = [ids_of(words, ENGLISH, LENGTH) for words, _ in pairs]
    targets = [ids_of([START, *translation(pair)], SPANISH, LENGTH + 1) for pair in pairs]
    return torch.tensor(sources), torch.tensor(targets)


def ids_of(words: list[str], vocabulary: tuple[str, ...], length: int) -> list[int]:
    """The integers of words, filled up with ends."""
    return [vocabulary.index(word) for word in words + [END] * (length - len(words))]


class Translator(nn.Module):
    """The encoder reads English without a mask; the decoder writes Spanish and looks at it."""

    def __init__(self) -> None:
        super().__init__()
        sizes = {"block_size": LENGTH, "C": 32, "n_head": 2, "n_layer": 1}
        self.encoder = Transformer(Size(V=len(ENGLISH), causal=False, **sizes))
        self.decoder = Transformer(Size(V=len(SPANISH), **sizes), reads_source=True)

    def forward(self, source: Tensor, written: Tensor) -> Tensor:
        """English (B, S) and the Spanish so far (B, T) -> logits (B, T, V)."""
        return self.decoder(written, self.encoder.read(source))

    @torch.no_grad()
    def translate(self, source: Tensor) -> Tensor:
        """The likeliest word after word: (B, S) -> (B, LENGTH)."""
        written = torch.full((len(source), 1), SPANISH.index(START))
        for _ in range(LENGTH):
            likeliest = self(source, written)[:, -1:].argmax(dim=-1)
            written = torch.cat([written, likeliest], dim=1)
        return written[:, 1:]

    @torch.no_grad()
    def cross_attention(self, source: Tensor, written: Tensor) -> Tensor:
        """What each position that writes looks at in the source, mean of the heads: (B, T, S)."""
        self(source, written)
        return torch.stack([head.wei for head in self.decoder.blocks[0].cross.heads]).mean(dim=0)


def train(model: Translator, steps: int, held_out: list[Pair]) -> None:
    """Show the model fresh sentences, none of those that it is examined with."""
    drawn, asked_later = random.Random(1337), {tuple(words) for words, _ in held_out}
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for step in range(steps):
        pairs = [sentence(drawn) for _ in range(BATCH)]
        source, target = encoded([pair for pair in pairs if tuple(pair[0]) not in asked_later])
        logits = model(source, target[:, :-1])
        loss = F.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if step % 100 == 0 or step == steps - 1:
            print(f"step {step}: loss {loss.item():.4f}", flush=True)


def show(wei: Tensor, english: list[str], spanish: list[str]) -> None:
    """Draw a pattern (T, S) in characters: a row for each word that is written."""
    width = max(map(len, english))
    print(" " * 9 + " ".join(f"{word:>{width}}" for word in english))
    for word, row in zip(spanish, wei.tolist(), strict=False):
        shades = (" .:oO@"[min(5, int(6 * weight))] * 2 for weight in row)
        cells = " ".join(f"{shade:>{width}}" for shade in shades)
        print(f"{word:<9}{cells}".rstrip())


def draw(path: str, wei: Tensor, english: list[str], spanish: list[str]) -> None:
    """Write the same as a picture."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 4.5), layout="constrained")
    axes = figure.add_subplot(xlabel="read", ylabel="written", title="cross-attention")
    image = axes.imshow(wei.numpy(), cmap="viridis", vmin=0, vmax=1)
    axes.set_xticks(range(len(english)), labels=english, rotation=60)
    axes.set_yticks(range(len(spanish)), labels=spanish)
    figure.colorbar(image, label="weight, mean of the heads")
    figure.savefig(path)


def main(argv: list[str] | None = None) -> None:
    """Train, translate sentences that were never shown, and draw what the decoder looked at."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--picture", metavar="FILE", help="a .png or .svg of the cross-attention")
    asked = parser.parse_args(argv)
    if asked.picture and not asked.picture.endswith((".png", ".svg")):
        parser.error(f"--picture {asked.picture} does not end in .png or .svg")
    drawn = random.Random(1)
    held_out = [sentence(drawn) for _ in range(500)]
    torch.manual_seed(1337)
    model = Translator()
    train(model, asked.steps, held_out)
    source, target = encoded(held_out)
    right = (model.translate(source) == target[:, 1:]).all(dim=1).float().mean()
    print(f"{right:.1%} of {len(held_out)} held-out sentences without a mistake")
    longest = max(range(len(held_out)), key=lambda i: len(held_out[i][0]))
    english, spanish = held_out[longest][0], translation(held_out[longest])
    wei = model.cross_attention(source, target[:, :-1])
    print("cross-attention: where the decoder (down) looks when it writes a word (@ is most)")
    show(wei[longest], english, spanish)
    followed = [
        wei[i, t].argmax().item() == place
        for i, (_, origins) in enumerate(held_out)
        for t, place in enumerate(origins)
    ]
    print(f"it looks most at the word that it translates in {sum(followed) / len(followed):.0%}")
    if asked.picture:
        draw(asked.picture, wei[longest], english, spanish)


if __name__ == "__main__":
    main()
