"""Chapter 1, the data: characters become integers, and chunks of them become examples.

    python examples/lecture/reading_the_data.py input.txt [--gpt2 DIR]

``input.txt`` is Tiny Shakespeare. The other chapters take `read_text`, `Characters`, `split` and
`get_batch` from here. B rows (texts side by side), T positions.
"""

import argparse
import io
from pathlib import Path

import tiktoken
import torch
from tiktoken.load import data_gym_to_mergeable_bpe_ranks
from torch import Tensor

SENTENCE = "hii there"
SHORTEST = 3000  # a tenth of it still holds a chunk of the largest model


def read_text(path: str) -> str:
    """The whole text of a file; ends with a plain sentence where it cannot be used."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SystemExit(f"cannot read {path} as text: {error}") from error
    if len(text) < SHORTEST:
        raise SystemExit(f"{path} has {len(text)} characters: give a text of {SHORTEST} or more")
    return text


def number_of_steps(text: str) -> int:
    """What is typed behind --steps, for the chapters that train."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} is not a number of steps, such as 500")
    return int(text)


class Characters:
    """The simplest tokenizer: a character is the integer of its place in the sorted alphabet."""

    def __init__(self, text: str) -> None:
        self.alphabet = sorted(set(text))
        self._ids = {character: number for number, character in enumerate(self.alphabet)}

    def encode(self, text: str) -> list[int]:
        """Text to integers."""
        return [self._ids[character] for character in text]

    def decode(self, ids: list[int]) -> str:
        """Integers to text."""
        return "".join(self.alphabet[number] for number in ids)


def split(ids: Tensor) -> tuple[Tensor, Tensor]:
    """The first 90% to learn from, and the rest to see what was learnt and not memorised."""
    n = int(0.9 * len(ids))
    return ids[:n], ids[n:]


def get_batch(ids: Tensor, batch_size: int, block_size: int) -> tuple[Tensor, Tensor]:
    """Chunks from random places: inputs (B, T), and the targets (B, T) that follow them by one."""
    starts = torch.randint(len(ids) - block_size, (batch_size,)).tolist()
    inputs = torch.stack([ids[i : i + block_size] for i in starts])
    targets = torch.stack([ids[i + 1 : i + block_size + 1] for i in starts])
    return inputs, targets


def show_characters(characters: Characters) -> None:
    """Each character is a token: a text is as long in tokens as it is in characters."""
    unknown = sorted(set(SENTENCE) - set(characters.alphabet))
    if unknown:
        print(f"characters: the text has no {' '.join(unknown)!r}, so there is no integer for it")
        return
    ids, entries = characters.encode(SENTENCE), len(characters.alphabet)
    print(f"characters, {entries} entries: {ids}, back: {characters.decode(ids)!r}")


def show_bpe(folder: str | None) -> None:
    """GPT-2's byte pairs have 50,257 entries, so a sentence is short in them."""
    try:
        bpe = tiktoken.get_encoding("gpt2") if folder is None else gpt2_in(Path(folder))
    except (OSError, ValueError) as error:
        where = "on the network" if folder is None else f"in {folder}"
        print(f"cannot read GPT-2's vocabulary {where} ({type(error).__name__});", end=" ")
        print("--gpt2 names a folder that holds vocab.bpe and encoder.json")
        return
    ids = bpe.encode(SENTENCE)
    print(f"GPT-2's BPE, {bpe.n_vocab:,} entries: {ids}, back: {bpe.decode(ids)!r}")


def gpt2_in(folder: Path) -> tiktoken.Encoding:
    """GPT-2's tokenizer from the two files that OpenAI published."""
    files = [str(folder / name) for name in ("vocab.bpe", "encoder.json")]
    ranks = data_gym_to_mergeable_bpe_ranks(*files)
    # How a text is cut before pairs are merged: a word takes the space before it along.
    words = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
    end = {"<|endoftext|>": len(ranks)}
    return tiktoken.Encoding("gpt2", pat_str=words, mergeable_ranks=ranks, special_tokens=end)


def show_sentencepiece(text: str) -> None:
    """SentencePiece learns parts of words from a text; here a vocabulary of 512 from this one."""
    try:
        from sentencepiece import SentencePieceProcessor, SentencePieceTrainer
    except ImportError:
        print("SentencePiece is not installed: pip install sentencepiece")
        return
    parts = [text[start : start + 1000] for start in range(0, min(len(text), 200_000), 1000)]
    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(parts), model_writer=model, vocab_size=512, minloglevel=2,
        hard_vocab_limit=False,  # a small text may have fewer pieces
    )  # fmt: skip
    pieces = SentencePieceProcessor(model_proto=model.getvalue())
    ids = pieces.encode(SENTENCE)
    shown = " ".join(pieces.id_to_piece(ids))
    print(f"SentencePiece, {len(pieces)} entries: {shown}, {ids}, back: {pieces.decode(ids)!r}")


def main(argv: list[str] | None = None) -> None:
    """Print what the lecture reads off the text, tokens of one sentence, and one batch."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", help="Tiny Shakespeare, for the lecture's numbers")
    parser.add_argument("--gpt2", metavar="DIR", help="GPT-2's vocab.bpe and encoder.json")
    asked = parser.parse_args(argv)
    text = read_text(asked.text)
    characters = Characters(text)
    print(f"{len(text):,} characters, {len(characters.alphabet)} of them distinct:")
    print(repr("".join(characters.alphabet)))

    print(f"\n{SENTENCE!r} in three tokenizers: a large vocabulary makes a text short")
    show_characters(characters)
    show_bpe(asked.gpt2)
    show_sentencepiece(text)

    train, val = split(torch.tensor(characters.encode(text)))
    print(f"\n{len(train):,} characters train, {len(val):,} validate")
    block_size = 8
    chunk = train[: block_size + 1].tolist()
    print(f"the first {block_size + 1}: {chunk}; they hold {block_size} examples:")
    for t in range(1, block_size + 1):
        print(f"when input is {chunk[:t]} the target: {chunk[t]}")

    torch.manual_seed(1337)
    inputs, targets = get_batch(train, 4, block_size)
    print(f"\na batch of 4 chunks, shape {tuple(inputs.shape)}: inputs, then targets")
    print(inputs.tolist(), targets.tolist(), sep="\n")
    print(f"it holds {inputs.numel()} examples:")
    for row, wanted in zip(inputs.tolist(), targets.tolist(), strict=True):
        for t in range(block_size):
            print(f"when input is {row[: t + 1]} the target: {wanted[t]}")


if __name__ == "__main__":
    main()
