import base64
import json
from functools import cache
from pathlib import Path

import pytest
import tiktoken
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import models, pre_tokenizers, trainers

from gptcli.errors import CheckpointError, UsageError
from gptcli.tokenization.byte_level import byte_letters
from gptcli.tokenization.splits import SPLIT_PATTERNS
from gptcli.tokenization.tiktoken_file import is_tiktoken, tiktoken_tokenizer
from gptcli.tokenization.tokenizer import Tokenizer
from gptcli.tokenization.vocabulary_files import vocabulary_tokenizer

VALUES = {letter: value for value, letter in enumerate(byte_letters())}
BYTES = {bytes([value]): value for value in range(256)}
SENTENCES = (
    "It's the café's 1234567 naïve words, they'll say: don't! ",
    "def f(x):\n    return x ** 2  # squared\n\n\n",
    "Ein Übergrößenträger, 中文字符 и русский текст 😀😀.  \t\r\n",
)
OWN = r"\p{Lu}?\p{Ll}+|\p{N}{2}|[\s\S]"  # matches everything: tiktoken drops the rest
any_text = st.text(st.characters(exclude_categories=["Cs"]))
bits = st.sampled_from(["It's", " naïve", "1234", " café", "\n\n", "  ", "中", "😀", "I'LL", "  x"])
texts = st.lists(any_text | bits).map("".join)


@cache
def learned_ranks() -> dict[bytes, int]:
    inner = tokenizers.Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=600, initial_alphabet=alphabet, show_progress=False)
    inner.train_from_iterator(SENTENCES, trainer)
    names = inner.get_vocab()
    return {bytes(VALUES[letter] for letter in name): rank for name, rank in names.items()}


def file_of(ranks: dict[bytes, int]) -> bytes:
    return b"".join(base64.b64encode(token) + b" %d\n" % rank for token, rank in ranks.items())


def oracle(ranks: dict[bytes, int], pattern: str) -> tiktoken.Encoding:
    regex = SPLIT_PATTERNS.get(pattern, pattern)
    return tiktoken.Encoding("t", pat_str=regex, mergeable_ranks=ranks, special_tokens={})


@cache
def learned(pattern: str) -> tuple[Tokenizer, tiktoken.Encoding]:
    ranks = learned_ranks()
    return tiktoken_tokenizer(file_of(ranks), pattern, "t.tiktoken"), oracle(ranks, pattern)


@pytest.mark.parametrize("pattern", ["gpt2", "cl100k", "o200k", "llama3", "qwen2", OWN])
@settings(deadline=None, max_examples=60)
@given(text=texts)
def test_ids_and_text_are_tiktokens(pattern, text):
    tokenizer, theirs = learned(pattern)
    ids = tokenizer.encode(text).tolist()
    assert ids == theirs.encode_ordinary(text)
    assert tokenizer.decode(ids) == theirs.decode(ids) == text


@settings(deadline=None, max_examples=150)
@given(
    st.sets(st.text("abc", min_size=2, max_size=7), max_size=40).flatmap(
        lambda names: st.permutations(sorted(names))
    ),
    st.lists(st.text("abc ", max_size=12), min_size=1, max_size=8),
)
def test_ids_are_tiktokens_for_vocabularies_that_no_training_would_give(names, some):
    ranks = BYTES | {name.encode(): 256 + place for place, name in enumerate(names)}
    tokenizer = tiktoken_tokenizer(file_of(ranks), "gpt2", "t")
    theirs = oracle(ranks, "gpt2")
    for text in some:
        assert tokenizer.encode(text).tolist() == theirs.encode_ordinary(text)


def test_merges_of_gpt2_are_recovered_exactly(shared):
    folder: Path = shared / "data" / "gpt2"
    vocabulary = (folder / "encoder.json").read_bytes()
    names = {name: rank for name, rank in json.loads(vocabulary).items() if rank != 50_256}
    ranks = {bytes(VALUES[letter] for letter in name): rank for name, rank in names.items()}
    original = vocabulary_tokenizer(vocabulary, (folder / "vocab.bpe").read_bytes())
    assert tiktoken_tokenizer(file_of(ranks), "gpt2", "t").identity == original.identity


def test_text_outside_the_matches_of_the_pattern_is_kept():
    tokenizer = tiktoken_tokenizer(file_of(BYTES), r"[a-z]+", "t")
    assert tokenizer.decode(tokenizer.encode("Ab, Cd.\n")) == "Ab, Cd.\n"


def test_end_of_text_gets_the_lowest_free_id():
    last = tiktoken_tokenizer(file_of(BYTES), "gpt2", "t")
    assert last.special_tokens == {"<|endoftext|>": 256}
    ranks = {token: rank + (rank > 99) for token, rank in BYTES.items()}
    within = tiktoken_tokenizer(file_of(ranks), "gpt2", "t")
    assert within.end_of_text == 100
    assert within.encode("d").tolist() == [101]
    listed = tiktoken_tokenizer(file_of(BYTES | {b"<|endoftext|>": 256}), "gpt2", "t")
    assert (listed.end_of_text, listed.vocab_size) == (256, 257)
    assert 256 not in listed.encode("<|endoftext|>")


def test_encodings_of_tiktoken_name_their_patterns():
    names = {"r50k_base": "gpt2", "cl100k_base": "cl100k", "o200k_base": "o200k"}
    for name, pattern in names.items():
        assert tiktoken_tokenizer(file_of(BYTES), name, "t").identity == (
            tiktoken_tokenizer(file_of(BYTES), pattern, "t").identity
        )


def test_a_missing_pattern_is_asked_for():
    with pytest.raises(UsageError, match=r"t does not say how text is split.*--pattern.*cl100k"):
        tiktoken_tokenizer(file_of(BYTES), None, "t")


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("cl10k", "did you mean cl100k"),
        ("zzz", "choose one of gpt2"),
        ("", "choose one of"),
        ("(a", "not a regular expression"),
        (r"\p{Nonsense}+", "not a regular expression"),
    ],
)
def test_a_pattern_that_means_nothing_is_refused(capfd, pattern, why):
    with pytest.raises(UsageError, match=why) as caught:
        tiktoken_tokenizer(file_of(BYTES), pattern, "t")
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


GOOD = file_of(BYTES)
DAMAGED = {
    "empty": (b"", "0x00"),
    "cut short": (GOOD[:700], "line 89: its rank"),
    "no rank": (GOOD + b"YWI=\n", "line 257 "),
    "no base64": (GOOD + b"a*b= 256\n", "line 257 "),
    "wrong padding": (GOOD + b"YWI 256\n", "line 257 "),
    "a rank that is not a number": (GOOD + b"YWI= x\n", "line 257 "),
    "three fields": (GOOD + b"YWI= 256 1\n", "line 257 "),
    "negative": (GOOD + b"YWI= -1\n", "line 257: its rank"),
    "a token twice": (GOOD + b"YQ== 256\n", "line 257: its .* was there before"),
    "a rank twice": (GOOD + b"YWI= 255\n", "line 257: its .* was there before"),
    "an endless token": (GOOD + base64.b64encode(b"a" * 2000) + b" 256\n", "line 257: .*1,024"),
    "far beyond": (GOOD + b"YWI= 99999999999999999999\n", "more than one rank"),
    "two gaps": (GOOD + b"YWI= 258\n", "more than one rank"),
    "an endless number": (GOOD + b"YWI= " + b"9" * 5000 + b"\n", "line 257 "),
    "binary": (b"\x80\x81\n" + GOOD, "line 1 "),
}


@pytest.mark.parametrize(("content", "why"), DAMAGED.values(), ids=DAMAGED.keys())
def test_damaged_file_is_one_line_with_its_place(content, why):
    with pytest.raises(CheckpointError, match=why) as caught:
        tiktoken_tokenizer(content, "gpt2", "some.tiktoken")
    assert str(caught.value).startswith("some.tiktoken")
    assert "\n" not in str(caught.value)


def test_a_file_is_known_by_its_first_line():
    assert is_tiktoken(GOOD)
    assert not is_tiktoken(b"\x0a\x0e\x0a\x05<unk>")
    assert not is_tiktoken(b"first citizen 1\n")
