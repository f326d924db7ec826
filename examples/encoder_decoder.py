"""The transformer of 2017, encoder and decoder, learns to translate: French numbers to English.

    python examples/encoder_decoder.py

The layers are those of the GPT: attention without the mask reads the French sentence, causal
attention writes the English one, and cross-attention takes its keys and values from what was
read. Words are tokens; a start token begins what is written and an end token ends it. B rows,
S source words, T target words, C channels.
"""

import argparse
import random
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from number_words import english, french
from torch import Tensor, nn

from gptcli.config.model import ModelConfig
from gptcli.fast.layers import use_fast_layers
from gptcli.inspection.capture import recorded_layers
from gptcli.inspection.explicit import explicit_attention
from gptcli.model.attention import Attention
from gptcli.model.gpt import UNCOUNTED, next_token_loss
from gptcli.model.mlp import MLP
from gptcli.model.norm import make_norm

PAD, START, END = "<pad>", "<start>", "<end>"
LARGEST = 99_999
HELD_OUT = 1_000
BATCH = 128


@dataclass(frozen=True)
class Language:
    """Words with their numbers, and the length that every sentence is padded to."""

    words: tuple[str, ...]
    length: int

    @classmethod
    def of(cls, sentences: list[list[str]]) -> "Language":
        """What these sentences are made of, with room for start and end."""
        known = sorted({word for sentence in sentences for word in sentence})
        return cls((PAD, START, END, *known), 2 + max(map(len, sentences)))

    def encode(self, sentences: list[list[str]]) -> Tensor:
        """(B, length): start, the words, end, padding."""
        ids = {word: number for number, word in enumerate(self.words)}
        rows = [[START, *sentence, END] for sentence in sentences]
        padded = [row + [PAD] * (self.length - len(row)) for row in rows]
        return torch.tensor([[ids[word] for word in row] for row in padded])

    def decode(self, ids: list[int]) -> list[str]:
        """The words between start and end."""
        words = [self.words[number] for number in ids]
        return words[1 : words.index(END)] if END in words else words[1:]


class Layer(nn.Module):
    """A block of the encoder; of the decoder too, where what was read is ``memory``."""

    def __init__(self, config: ModelConfig, is_decoder: bool) -> None:
        super().__init__()
        C = config.n_embd
        self.attention = Attention(config, causal=is_decoder)
        self.cross = Attention(config, causal=False) if is_decoder else None
        self.mlp = MLP(config)
        self.norms = nn.ModuleList(make_norm(config, C) for _ in range(3))

    def forward(self, x: Tensor, memory: Tensor | None = None) -> Tensor:
        """(B, T, C), and memory (B, S, C) -> (B, T, C)."""
        x = x + self.attention(self.norms[0](x))
        if self.cross is not None:
            x = x + self.cross(self.norms[1](x), source=memory)
        return x + self.mlp(self.norms[2](x))


class Stack(nn.Module):
    """Words and their places, then the layers: one half of the translator."""

    def __init__(self, config: ModelConfig, is_decoder: bool) -> None:
        super().__init__()
        C = config.n_embd
        self.words = nn.Embedding(config.vocab_size, C)
        self.places = nn.Embedding(config.block_size, C)
        self.layers = nn.ModuleList(Layer(config, is_decoder) for _ in range(config.n_layer))
        self.norm = make_norm(config, C)

    def forward(self, ids: Tensor, memory: Tensor | None = None) -> Tensor:
        """(B, T) -> (B, T, C)."""
        x = self.words(ids) + self.places(torch.arange(ids.shape[1]))
        for layer in self.layers:
            x = layer(x, memory)
        return self.norm(x)


class Translator(nn.Module):
    """Encoder and decoder (Vaswani et al. 2017, figure 1; norms first, as in GPT-2)."""

    def __init__(self, source: Language, target: Language, n_embd: int, n_layer: int) -> None:
        super().__init__()
        self.encoder = use_fast_layers(Stack(_config(source, n_embd, n_layer), is_decoder=False))
        self.decoder = use_fast_layers(Stack(_config(target, n_embd, n_layer), is_decoder=True))
        self.head = nn.Linear(n_embd, len(target.words))

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Source (B, S) and what is written of the target (B, T) -> logits (B, T, V)."""
        return self.head(self.decoder(target, self.encoder(source)))

    @torch.no_grad()
    def translate(self, source: Tensor, length: int) -> Tensor:
        """The likeliest word after word from the start token on: (B, S) -> (B, length)."""
        memory = self.encoder(source)
        written = torch.ones((len(source), 1), dtype=torch.long)  # START
        for _ in range(length - 1):
            logits = self.head(self.decoder(written, memory)[:, -1])
            written = torch.cat([written, logits.argmax(dim=-1, keepdim=True)], dim=1)
        return written


def _config(language: Language, n_embd: int, n_layer: int) -> ModelConfig:
    return ModelConfig(
        n_layer=n_layer,
        n_head=4,
        n_embd=n_embd,
        block_size=language.length,
        vocab_size=len(language.words),
        activation="relu",
    )


def train(model: Translator, sources: Tensor, targets: Tensor, steps: int) -> None:
    """Show the model random pairs; padding after the end has no loss."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-3, total_steps=steps)
    for step in range(steps):
        rows = torch.randint(len(sources), (BATCH,))
        written, wanted = targets[rows, :-1], targets[rows, 1:]
        loss = next_token_loss(
            model(sources[rows], written), wanted.masked_fill(wanted == 0, UNCOUNTED)
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 250 == 0 or step == steps - 1:
            print(f"step {step}: loss {loss.item():.4f}", flush=True)


def exact_matches(model: Translator, source: Language, target: Language, held: list[int]) -> int:
    """How many of the numbers are translated without any mistake; shows three."""
    model.eval()
    found = model.translate(source.encode([french(n) for n in held]), target.length).tolist()
    translations = [target.decode(ids) for ids in found]
    for number, words in list(zip(held, translations, strict=True))[:3]:
        print(f"{' '.join(french(number))} -> {' '.join(words)}")
    return sum(words == english(n) for n, words in zip(held, translations, strict=True))


def patterns(model: Translator, source: Tensor, target: Tensor) -> dict[str, Tensor]:
    """What each word of a pair (1, S) and (1, T) looks at, by layer: weights (H, queries, keys)."""
    attentions = {f"encoder L{i}": one.attention for i, one in enumerate(model.encoder.layers)}
    for i, layer in enumerate(model.decoder.layers):
        attentions |= {f"decoder L{i}": layer.attention, f"cross L{i}": layer.cross}
    with torch.no_grad(), recorded_layers(attentions.values()) as layers:
        model(source, target)
    pairs = zip(attentions.items(), layers, strict=True)
    return {name: explicit_attention(one, layer).pattern for (name, one), layer in pairs}


def show_most_focused(
    part: str, found: dict[str, Tensor], rows: list[str], keys: list[str]
) -> None:
    """Print, in percent, the head of this part whose words give most to a single key."""
    heads = {
        f"{name}.H{number}": head[: len(rows), : len(keys)]
        for name, pattern in found.items()
        if name.startswith(part)
        for number, head in enumerate(pattern)
    }
    name = max(heads, key=lambda name: float(heads[name].amax(dim=-1).mean()))
    margin, widths = max(map(len, rows)), [max(len(key), 3) + 1 for key in keys]
    print(f"\n{name}: the percentage that a row's word gives to each column's, the rest to padding")
    print(" " * margin + "".join(key.rjust(width) for key, width in zip(keys, widths, strict=True)))
    for row, weights in zip(rows, heads[name].tolist(), strict=True):
        cells = zip(weights, widths, strict=True)
        print(row.rjust(margin) + "".join(f"{100 * weight:{width}.0f}" for weight, width in cells))


def look_inside(
    model: Translator, source: Language, target: Language, number: int, out: Path | None
) -> None:
    """Show what the words of a number look at; keep the weights of every head in ``out``."""
    read, written = [START, *french(number), END], [START, *english(number)]
    found = patterns(model, source.encode([french(number)]), target.encode([english(number)]))
    show_most_focused("encoder", found, read, read)
    show_most_focused("decoder", found, written, written)
    show_most_focused("cross", found, written, read)
    if out is not None:
        np.savez(out, source=read, target=written, **{k: v.numpy() for k, v in found.items()})
        print(f"wrote {out}")


def main() -> None:
    """Train, then translate numbers that were never shown, and look at what attends to what."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--out", type=Path, help="an .npz file for the patterns of all heads")
    asked = parser.parse_args()
    started = time.perf_counter()
    torch.manual_seed(1337)
    numbers = random.Random(1337).sample(range(1, LARGEST + 1), 21_000)
    held, shown = numbers[:HELD_OUT], numbers[HELD_OUT:]
    source = Language.of([french(n) for n in numbers])
    target = Language.of([english(n) for n in numbers])
    model = Translator(source, target, n_embd=64, n_layer=2)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    sources = source.encode([french(n) for n in shown])
    targets = target.encode([english(n) for n in shown])
    train(model, sources, targets, asked.steps)
    matches = exact_matches(model, source, target, held)
    print(f"exact match on {HELD_OUT:,} held-out numbers: {matches / HELD_OUT:.1%}")
    look_inside(model, source, target, held[0], asked.out)
    print(f"{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
