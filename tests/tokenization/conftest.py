"""Small tokenizers of every kind, made once per process, and GPT-2's."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

from gptcli.tokenization.kinds import KINDS, TokenizerSpec
from gptcli.tokenization.splits import SPLIT_PATTERNS
from gptcli.tokenization.tokenizer import Tokenizer
from gptcli.tokenization.trainer import train_tokenizer

SAMPLE = (
    "First Citizen:\nBefore we proceed any further, hear me speak.\n\nAll:\nSpeak, speak.\n\n"
    "You're all resolved rather to die than to famish? They'll say 'tis 1234567 or 3.14%, I'd\n"
    "\tdef f(x):\n\t    return x ** 2  # square\n\n\n   Größe, naïve café; ΑΒΓ αβγ, Привет мир\n"
    "日本語のテキスト。これは★テスト☆です。 ½ x² ٣٤ e\u0301 😀👍🏽 \u3000\u00a0"
    " WORD WordCase XMLHttp ##\r\n"
) * 3
SPECIAL = ("<|endoftext|>", "<|pad|>")


@pytest.fixture
def sample() -> str:
    """A text with what is hard about text, from which the small tokenizers are trained."""
    return SAMPLE


@cache
def _trained(kind: str) -> Tokenizer:
    # The longest vocabularies that the sample fills: many merges, few left-overs.
    size = {"word": 60, "bpe": 400, "wordpiece": 640, "unigram": 480}.get(kind)
    spec = TokenizerSpec(kind, size, unk=kind == "char", special_tokens=SPECIAL)
    return train_tokenizer(spec, [SAMPLE])


@cache
def _split_by(pattern: str) -> Tokenizer:
    inner = tokenizers.Tokenizer(models.BPE())
    split = pre_tokenizers.Split(tokenizers.Regex(SPLIT_PATTERNS[pattern]), "isolated")
    spelt = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    inner.pre_tokenizer = spelt  # merges go across words, so that ids tell where the split is
    inner.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=500, initial_alphabet=alphabet, show_progress=False)
    inner.train_from_iterator([SAMPLE], trainer)
    inner.pre_tokenizer = pre_tokenizers.Sequence([split, spelt])
    return Tokenizer(inner)


@cache
def _gpt2(directory: Path) -> Tokenizer:
    vocabulary = json.loads((directory / "encoder.json").read_text(encoding="utf-8"))
    lines = (directory / "vocab.bpe").read_text(encoding="utf-8").split("\n")[1:]
    merges = [tuple(line.split(" ")) for line in lines if line]
    inner = tokenizers.Tokenizer(models.BPE(vocabulary, merges))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    inner.add_special_tokens(["<|endoftext|>"])
    return Tokenizer(inner)


@pytest.fixture(params=KINDS)
def trained(request: pytest.FixtureRequest) -> Tokenizer:
    """One of each kind, with two special tokens; that of characters has <unk>."""
    return _trained(request.param)


@pytest.fixture(params=SPLIT_PATTERNS)
def split_by_known(request: pytest.FixtureRequest) -> Tokenizer:
    """A byte-level BPE for each of the known split patterns."""
    return _split_by(request.param)


@pytest.fixture
def gpt2(shared: Path) -> Tokenizer:
    """GPT-2's own."""
    return _gpt2(shared / "data" / "gpt2")


@pytest.fixture
def trained_kind() -> Callable[[str], Tokenizer]:
    """The small tokenizer of a kind."""
    return _trained
