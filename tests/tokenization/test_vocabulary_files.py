import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import tiktoken
from hypothesis import given, settings
from hypothesis import strategies as st

from gptcli.errors import CheckpointError
from gptcli.tokenization.byte_level import byte_letters
from gptcli.tokenization.splits import SPLIT_PATTERNS
from gptcli.tokenization.tokenizer import Tokenizer
from gptcli.tokenization.vocabulary_files import vocabulary_tokenizer

LETTERS = byte_letters()
any_text = st.text(st.characters(exclude_categories=["Cs"]))
speech = st.text(st.sampled_from("'sSlLetvmd  \n\r\t\u00a0\u3000aéñ1٣Ⅷ²!?…\u0301\u200d😀中"))
endings = st.lists(any_text | speech | st.sampled_from(["<|endoftext|>", "<s>", " the", "'ll"]))
texts = endings.map("".join)


@cache
def gpt2_files(folder: Path) -> tuple[bytes, bytes]:
    return (folder / "encoder.json").read_bytes(), (folder / "vocab.bpe").read_bytes()


@cache
def gpt2_of(folder: Path) -> Tokenizer:
    return vocabulary_tokenizer(*gpt2_files(folder), ("encoder.json", "vocab.bpe"))


@pytest.fixture
def gpt2(shared: Path) -> Tokenizer:
    return gpt2_of(shared / "data" / "gpt2")


@cache
def tiktokens_gpt2(folder: Path) -> tiktoken.Encoding:
    values = {letter: value for value, letter in enumerate(LETTERS)}
    entries = json.loads(gpt2_files(folder)[0])
    end = entries.pop("<|endoftext|>")
    ranks = {bytes(values[letter] for letter in name): rank for name, rank in entries.items()}
    special = {"<|endoftext|>": end}
    return tiktoken.Encoding(
        "gpt2", pat_str=SPLIT_PATTERNS["gpt2"], mergeable_ranks=ranks, special_tokens=special
    )


def transformers_gpt2(folder: Path):
    transformers = pytest.importorskip("transformers")
    files = {"vocab": str(folder / "encoder.json"), "merges": str(folder / "vocab.bpe")}
    return transformers.GPT2TokenizerFast(**files, split_special_tokens=True)


def test_gpt2_of_the_lecture(gpt2, shared):
    text = (shared / "data" / "tinyshakespeare.txt").read_text()
    assert gpt2.encode("hii there").tolist() == [71, 4178, 612]
    assert gpt2.decode([71, 4178, 612]) == "hii there"
    assert len(gpt2.encode(text)) == 338_025
    assert (gpt2.kind, gpt2.vocab_size) == ("bpe", 50_257)


def test_gpt2s_end_of_text_is_special_and_text_never_becomes_it(gpt2):
    assert gpt2.special_tokens == {"<|endoftext|>": 50_256}
    assert gpt2.end_of_text == 50_256
    assert gpt2.decode([50_256]) == "<|endoftext|>"
    ids = gpt2.encode("<|endoftext|>")
    assert 50_256 not in ids
    assert gpt2.decode(ids) == "<|endoftext|>"


def test_gpt2_on_wikitext_is_tiktoken_and_transformers_both_ways(gpt2, shared):
    text = (shared / "data" / "wikitext2-valid.txt").read_text()
    ids = gpt2.encode(text)
    assert np.array_equal(ids, tiktokens_gpt2(shared / "data" / "gpt2").encode_ordinary(text))
    assert gpt2.decode(ids) == text
    theirs = transformers_gpt2(shared / "data" / "gpt2")
    assert np.array_equal(ids, theirs.encode(text))
    assert theirs.decode(ids.tolist(), clean_up_tokenization_spaces=False) == text


def test_gpt2_on_any_unicode_is_tiktoken_and_transformers_both_ways(gpt2, shared):
    one = tiktokens_gpt2(shared / "data" / "gpt2")
    two = transformers_gpt2(shared / "data" / "gpt2")

    @settings(deadline=None, max_examples=300)
    @given(texts)
    def check(text):
        ids = gpt2.encode(text).tolist()
        assert ids == one.encode_ordinary(text) == two.encode(text)
        assert gpt2.decode(ids) == one.decode(ids) == text

    check()


def test_gpt2_decodes_any_ids_as_tiktoken_does(gpt2, shared):
    oracle = tiktokens_gpt2(shared / "data" / "gpt2")

    @settings(deadline=None)
    @given(st.lists(st.integers(0, 50_256)))
    def check(ids):
        assert gpt2.decode(ids) == oracle.decode(ids)

    check()


MERGES = "#version: 0.2\nt h\nth e\nĠ the\n"


def small(*special: str, merges: str = MERGES, drop: str = "") -> tuple[bytes, bytes]:
    names = [*special, *LETTERS, "th", "the", "Ġthe"]
    names = [name for name in names if name != drop]
    entries = {name: number for number, name in enumerate(names)}
    return json.dumps(entries).encode(), merges.encode()


def test_what_no_merge_makes_is_special():
    tokenizer = vocabulary_tokenizer(*small("<s>", "<pad>", "</s>", "[MASK]", "madeupword0000"))
    assert [*tokenizer.special_tokens.values()] == [0, 1, 2, 3, 4]
    assert tokenizer.end_of_text == 2
    assert tokenizer.decode(tokenizer.encode("<s> the</s>")) == "<s> the</s>"
    assert tokenizer.encode(" the").tolist() == [tokenizer.vocab_size - 1]


def test_line_ends_of_windows_change_nothing():
    unix = vocabulary_tokenizer(*small())
    assert vocabulary_tokenizer(*small(merges=MERGES.replace("\n", "\r\n"))).identity == (
        unix.identity
    )


DAMAGED = {
    "not JSON": (b"{", MERGES.encode(), "v is not a vocabulary"),
    "a list": (b"[]", MERGES.encode(), "not hold a JSON object"),
    "deep": (b"[" * 100_000, MERGES.encode(), "v is not a vocabulary"),
    "binary vocabulary": (b"\x80\x81", MERGES.encode(), "v is not a vocabulary"),
    "binary merges": (small()[0], b"t h\n\xff", "m is not UTF-8 at byte 4"),
    "empty vocabulary": (b"{}", b"", "0x00"),
    "an id that is not a number": (b'{"a": "b"}', b"", "ids are not 0 to N-1"),
    "an id that is true": (b'{"a": 0, "b": true}', b"", "ids are not 0 to N-1"),
    "a gap": (b'{"a": 0, "b": 2}', b"", "ids are not 0 to N-1"),
    "a huge id": (b'{"a": 0, "b": 4000000000}', b"", "ids are not 0 to N-1"),
    "a negative id": (b'{"a": 0, "b": -1}', b"", "ids are not 0 to N-1"),
    "a byte is missing": (*small(drop="é"), "for the byte 0xe9"),
    "merges of nothing": (*small(merges=MERGES + "x y\n"), "m, line 5.*'x y'"),
    "an unknown part": (*small(merges="tt h\n"), "m, line 1"),
    "no second part": (*small(merges="th\n"), "m, line 1"),
    "a merge twice": (*small(merges=MERGES + "t h"), "m, line 5.*before"),
    "merges cut short": (*small(merges="t h\nth e\n"), "m makes no 'Ġthe'"),
    "no merges": (*small(merges=""), "m makes no 'th'"),
}


@pytest.mark.parametrize(("vocabulary", "merges", "why"), DAMAGED.values(), ids=DAMAGED.keys())
def test_damaged_files_are_one_line(capfd, vocabulary, merges, why):
    with pytest.raises(CheckpointError, match=why) as caught:
        vocabulary_tokenizer(vocabulary, merges, ("v", "m"))
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_half_of_a_surrogate_pair_in_a_name_is_refused():
    entries = json.loads(small()[0]) | {"<\ud800>": 259}
    with pytest.raises(CheckpointError):
        vocabulary_tokenizer(json.dumps(entries).encode(), MERGES.encode())
