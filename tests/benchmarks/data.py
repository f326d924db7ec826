"""Text to tokens: throughput beside nanoGPT's ways, training beside the library, memory.

The corpus is that of ../shared, repeated with new numbers so that no chunk is a copy.
"""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.contestants import SHARED
from tests.benchmarks.machine import print_title
from tests.benchmarks.timing import spread, time_in_turn

_GPTCLI = (sys.executable, "-m", "gptcli")
_ROUNDS = 5
_MB = 10**6

# nanoGPT's data/shakespeare/prepare.py needs a download; this does the same from local files.
_TIKTOKEN_WAY = """
import sys, numpy as np, tiktoken
from transformers.convert_slow_tokenizer import bytes_to_unicode
import json
folder, text, out = sys.argv[1:]
to_byte = {c: b for b, c in bytes_to_unicode().items()}
entries = json.load(open(folder + "/encoder.json"))
ranks = {bytes(to_byte[c] for c in k): v for k, v in entries.items() if k != "<|endoftext|>"}
pattern = "|".join((
    r"'(?:[sdmt]|ll|ve|re)", r" ?\\p{L}++", r" ?\\p{N}++", r" ?[^\\s\\p{L}\\p{N}]++",
    r"\\s++$", r"\\s+(?!\\S)", r"\\s"))
encoding = tiktoken.Encoding("gpt2", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
data = open(text, encoding="utf-8").read()
n = len(data)
for name, part in (("train", data[: int(n * 0.9)]), ("val", data[int(n * 0.9) :])):
    np.array(encoding.encode_ordinary(part), dtype=np.uint16).tofile(out + "/" + name + ".bin")
"""
_LIBRARY_WAY = """
import sys, tokenizers
from tokenizers import models, pre_tokenizers, trainers
tokenizer = tokenizers.Tokenizer(models.BPE())
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
trainer = trainers.BpeTrainer(
    vocab_size=4096, special_tokens=["<|endoftext|>"], show_progress=False,
    initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
)
tokenizer.train([sys.argv[1]], trainer)
tokenizer.save(sys.argv[2])
"""


@dataclass(frozen=True)
class _Corpora:
    ascii: Path
    prose: Path


def run(folder: Path, peer: Path | None) -> None:
    """Print all figures; ``peer`` is a checkout of nanoGPT."""
    if not SHARED.is_dir():
        print("data: skipped, the corpora of ../shared are not here")
        return
    corpora = _Corpora(folder / "shakespeare.txt", folder / "wikitext.txt")
    _write(corpora.ascii, SHARED / "tinyshakespeare.txt", 100 * _MB)
    _write(corpora.prose, SHARED / "wikitext2-valid.txt", 100 * _MB)
    _characters(folder, corpora.ascii, peer)
    _write(corpora.ascii, SHARED / "tinyshakespeare.txt", 1000 * _MB)
    _characters(folder, corpora.ascii, peer, rounds=2)
    _bpe(folder, corpora.prose)
    _training(folder, corpora.prose)
    _memory(folder)


def _characters(folder: Path, text: Path, peer: Path | None, rounds: int = _ROUNDS) -> None:
    out = folder / "char"
    commands = {"gptcli prepare": [*_GPTCLI, "prepare", text, "--out", out, "--overwrite", "-q"]}
    if peer is not None:
        script = folder / "peer" / "prepare.py"
        script.parent.mkdir(exist_ok=True)
        script.write_text((peer / "data" / "shakespeare_char" / "prepare.py").read_text())
        (script.parent / "input.txt").unlink(missing_ok=True)
        (script.parent / "input.txt").symlink_to(text)
        commands["nanoGPT's shakespeare_char"] = [sys.executable, script]
    _print_rates("characters, ASCII", commands, text, rounds)


def _bpe(folder: Path, text: Path) -> None:
    (folder / "ordinary").mkdir()
    ours = [*_GPTCLI, "prepare", text, "--tokenizer", SHARED / "gpt2", "--out", folder / "bpe"]
    theirs = [sys.executable, "-c", _TIKTOKEN_WAY, SHARED / "gpt2", text, folder / "ordinary"]
    commands = {
        "gptcli prepare": [*ours, "--overwrite", "-q"],
        "gptcli prepare --workers 1": [*ours, "--overwrite", "-q", "--workers", "1"],
        "tiktoken encode_ordinary": theirs,
    }
    _print_rates("GPT-2's BPE, prose", commands, text)


def _training(folder: Path, text: Path) -> None:
    out = folder / "trained"
    ours = [*_GPTCLI, "tokenize", "--train", "bpe", "--vocab-size", "4096", "--file", text]
    commands = {
        "gptcli tokenize --train": [*ours, "--out", out, "--overwrite", "-q"],
        "tokenizers' train": [sys.executable, "-c", _LIBRARY_WAY, text, folder / "trained.json"],
    }
    _print_rates("BPE of 4,096 entries, prose", commands, text)


def _memory(folder: Path) -> None:
    print_title("peak memory of gptcli prepare, MB")
    for size in (100, 2000):
        text, line = folder / "large.txt", folder / "line.txt"
        _write(text, SHARED / "wikitext2-valid.txt", size * _MB)
        _write(line, SHARED / "wikitext2-valid.txt", size * _MB, newlines=False)
        for name, file in (("lines", text), ("one line", line)):
            for tokenizer in ("char", str(SHARED / "gpt2")):
                out = folder / "memory"
                command = [*_GPTCLI, "prepare", file, "--tokenizer", tokenizer, "--out", out]
                peak = _peak([*map(str, command), "--overwrite", "-q"])
                print(f"  {size:>5} MB, {name:<8} {Path(tokenizer).name:<5} {peak:,.0f}")


def _print_rates(
    title: str, commands: Mapping[str, Sequence[object]], text: Path, rounds: int = _ROUNDS
) -> None:
    size = text.stat().st_size / _MB
    seconds = time_in_turn(
        {name: [str(word) for word in command] for name, command in commands.items()}, rounds
    )
    print_title(f"{title}, {size:,.0f} MB, whole process")
    for name, values in seconds.items():
        rates = [size / value for value in values]
        print(f"  {name:<28}{spread(values, unit=' s')}   {spread(rates, unit=' MB/s')}")


def _peak(command: Sequence[str]) -> float:
    """Largest resident memory of a process, in MB."""
    process = os.spawnv(os.P_NOWAIT, command[0], list(command))
    _, status, usage = os.wait4(process, 0)
    assert status == 0, command
    return usage.ru_maxrss * 1024 / _MB


def _write(path: Path, source: Path, n_bytes: int, newlines: bool = True) -> None:
    text = source.read_text(encoding="utf-8")
    text = text if newlines else text.replace("\n", " ")
    with path.open("w", encoding="utf-8", newline="") as file:
        for piece in _varied(text, n_bytes):
            file.write(piece)


def _varied(text: str, n_bytes: int) -> Iterator[str]:
    """The words of ``text`` again and again, one in fifty followed by a number."""
    words = text.split(" ")
    size = number = 0
    while size < n_bytes:
        for start in range(0, len(words), 50):
            number += 1
            piece = " ".join([*words[start : start + 50], str(number * 7919 % 100_000), ""])
            size += len(piece.encode())
            yield piece
            if size >= n_bytes:
                return
