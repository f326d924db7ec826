from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gptcli.tokenization.trainer import character_tokenizer
from gptcli.tokenization.usage import longest_entries, measure_usage
from gptcli.tokenization.vocabulary import Vocabulary, VocabularyEntry


@given(st.lists(st.text("abcd", max_size=20), max_size=5))
def test_usage_is_what_counting_gives(texts):
    tokenizer = character_tokenizer("abcdef")
    usage = measure_usage(tokenizer, (tokenizer.encode(text) for text in texts))
    counted = Counter("".join(texts))
    assert (usage.n_tokens, usage.n_used) == (counted.total(), len(counted))
    assert [entry.text for entry in usage.longest] == sorted(counted)


def test_ids_of_any_integer_type_are_counted():
    tokenizer = character_tokenizer("ab")
    for dtype in ("uint16", "uint32", "int64"):
        assert measure_usage(tokenizer, [np.array([1, 1], dtype=dtype)]).n_used == 1


def test_the_longest_come_first_and_special_ones_not_at_all():
    entries = [
        VocabularyEntry(0, b"<|endoftext|>", True),
        VocabularyEntry(1, b"ab", False),
        VocabularyEntry(2, "日本語".encode(), False),
        VocabularyEntry(3, b"abc", False),
    ]
    assert [entry.number for entry in longest_entries(entries)] == [2, 3, 1]
    assert [entry.number for entry in longest_entries(entries, 1)] == [2]


def test_the_unknown_is_no_longest_token():
    tokenizer = character_tokenizer("a", unk=True)
    usage = measure_usage(tokenizer, [tokenizer.encode("aé")])
    assert usage.n_used == 2
    assert usage.longest == (Vocabulary(tokenizer).entry(0),)
