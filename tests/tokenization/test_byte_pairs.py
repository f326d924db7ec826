from functools import cache

import pytest
import tokenizers
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import decoders, models, pre_tokenizers

from gptcli.tokenization.bulk import BulkEncoder, LibraryEncoder, TiktokenEncoder, bulk_encoder
from gptcli.tokenization.byte_level import byte_letters
from gptcli.tokenization.byte_pairs import tiktoken_encoding
from gptcli.tokenization.tokenizer import Tokenizer

fast = settings(max_examples=80, deadline=None)


def byte_pairs(merges, order=None, pattern=None, extra=(), special=(), **options) -> Tokenizer:
    """A BPE on bytes: merges as pairs of letters, products numbered in ``order``."""
    products = list(dict.fromkeys(left + right for left, right in merges))
    names = [*byte_letters(), *(order or products), *extra]
    vocabulary = {name: number for number, name in enumerate(names)}
    inner = tokenizers.Tokenizer(models.BPE(vocabulary, merges, **options))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if pattern:
        split = pre_tokenizers.Split(tokenizers.Regex(pattern), "isolated")
        spelt = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        inner.pre_tokenizer = pre_tokenizers.Sequence([split, spelt])
    inner.decoder = decoders.ByteLevel()
    inner.add_special_tokens(list(special))
    return Tokenizer(inner)


@cache
def encoder_of(tokenizer: Tokenizer) -> BulkEncoder:
    return bulk_encoder(tokenizer, "uint16")


def assert_equal(tokenizer: Tokenizer, text: str) -> None:
    (ids,) = encoder_of(tokenizer).encode([text])
    assert ids.tolist() == tokenizer.encode(text).tolist()


AB = st.text("abc d\n", max_size=30)
UNPROVEN = {
    "shuffled merges": byte_pairs([("b", "c"), ("a", "b")], order=["ab", "bc"]),
    "a product before its part": byte_pairs([("a", "b"), ("ab", "c")], order=["abc", "ab"]),
    "two merges for one product": byte_pairs([("a", "b"), ("b", "c"), ("ab", "c"), ("a", "bc")]),
    "a token without a merge": byte_pairs([("a", "b")], extra=["abc"]),
    "a token out of reach": byte_pairs([("b", "c"), ("a", "b"), ("ab", "c")]),
    "a word without a merge, of two parts": byte_pairs(
        [("a", "b")], extra=["abc"], ignore_merges=True
    ),
    "such a word, numbered before its part": byte_pairs(
        [("a", "b")], order=["abc", "ab"], ignore_merges=True
    ),
    "an unknown split": byte_pairs([("a", "b"), ("ab", "c")], pattern=r"[ab]+|[^ab]+"),
    "a special token that is a word": byte_pairs(
        [("a", "b")], extra=["abc"], special=["abc"], ignore_merges=True
    ),
}


@pytest.mark.parametrize("name", UNPROVEN)
def test_what_is_not_proven_equal_goes_to_the_library(name):
    assert tiktoken_encoding(UNPROVEN[name]) is None
    assert isinstance(bulk_encoder(UNPROVEN[name], "uint16"), LibraryEncoder)


@pytest.mark.parametrize("name", UNPROVEN)
@fast
@given(text=AB)
def test_ids_stay_right_where_nothing_is_proven(name, text):
    assert_equal(UNPROVEN[name], text)


PROVEN = {
    "bytes of any order": byte_pairs([("a", "b"), ("ab", "c")]),
    "a special token in the vocabulary": byte_pairs(
        [("a", "b")], extra=["<|end|>"], special=["<|end|>"]
    ),
    "merges ignored to no effect": byte_pairs([("a", "b"), ("ab", "c")], ignore_merges=True),
    "a word without a merge": byte_pairs([("a", "b")], extra=["ddd"], ignore_merges=True),
}


@pytest.mark.parametrize("name", PROVEN)
@fast
@given(text=AB)
@example(text="ddd ddd dddd")
@example(text="<|end|>")
def test_what_is_proven_equal_goes_to_tiktoken(name, text):
    assert isinstance(encoder_of(PROVEN[name]), TiktokenEncoder)
    assert_equal(PROVEN[name], text)


def test_a_token_looked_for_in_the_text_is_left_to_the_library():
    tokenizer = byte_pairs([("a", "b")])
    tokenizer.inner.add_tokens(["<tool>"])
    again = Tokenizer.from_json(tokenizer.to_json())
    assert isinstance(bulk_encoder(again, "uint16"), LibraryEncoder)
    assert bulk_encoder(again, "uint16").encode(["ab<tool>"])[0].tolist() == [256, 257]


@st.composite
def any_byte_pairs(draw) -> Tokenizer:
    """Merges of a few letters in any order, some numbered in another, and a token of none."""
    known, merges = ["a", "b", "c"], []
    for _ in range(draw(st.integers(0, 7))):
        pair = (draw(st.sampled_from(known)), draw(st.sampled_from(known)))
        if pair not in merges and len("".join(pair)) < 7:
            merges.append(pair)
            known.append("".join(pair))
    order = list(dict.fromkeys(left + right for left, right in merges))
    if draw(st.integers(0, 3)) == 0:
        order = draw(st.permutations(order))
    extra = draw(st.lists(st.text("abc", min_size=2, max_size=4), max_size=1))
    for name in extra:
        if name not in order:
            order.insert(draw(st.integers(0, len(order))), name)
    return byte_pairs(merges, order, ignore_merges=draw(st.booleans()))


@settings(max_examples=250, deadline=None)
@given(tokenizer=any_byte_pairs(), words=st.lists(st.text("abc", max_size=9), max_size=8))
def test_no_byte_pairs_are_taken_for_equal_that_are_not(tokenizer, words):
    assert_equal(tokenizer, " ".join(words))
