import json
import threading
import time
from functools import cache

import numpy as np
import pytest
import tiktoken
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gptcli.errors import DataError, UsageError
from gptcli.tokenization.bulk import (
    BulkEncoder,
    TiktokenEncoder,
    bulk_encoder,
)
from gptcli.tokenization.byte_level import byte_letters
from gptcli.tokenization.byte_pairs import tiktoken_encoding
from gptcli.tokenization.splits import SPLIT_PATTERNS
from gptcli.tokenization.tokenizer import Tokenizer
from gptcli.tokenization.trainer import character_tokenizer
from gptcli.tokenization.unseen import UnseenCharacterError

fast = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
_hard = st.sampled_from(
    "aaéZ19½²中①  \n\n\t\r'\u2019.,#/<>_▁\u0301\u00a0\u3000\x1c\u200d😀\u017fKßء\0"
)
_words = st.sampled_from(
    ["the", "I'll", "'S", "x1", " a", "12345", "<unk>", "<|endoftext|>", "<|never|>", "É"]
)
_any = st.characters(exclude_categories=["Cs"])
texts = st.lists(_hard | _words | _any, max_size=30).map("".join)


@cache
def encoder_of(tokenizer: Tokenizer, dtype: str = "uint16") -> BulkEncoder:
    return bulk_encoder(tokenizer, dtype)


@cache
def tiktoken_encoding_of(tokenizer: Tokenizer) -> tiktoken.Encoding | None:
    return tiktoken_encoding(tokenizer)


def assert_equal(tokenizer: Tokenizer, *texts: str, dtype: str = "uint16") -> None:
    found = encoder_of(tokenizer, dtype).encode(texts)
    assert [array.dtype for array in found] == [np.dtype(dtype)] * len(texts)
    expected = [tokenizer.encode(text).tolist() for text in texts]
    assert [array.tolist() for array in found] == expected


@pytest.mark.parametrize("dtype", ["uint16", "uint32"])
@fast
@given(texts=st.lists(texts, max_size=3))
def test_every_kind_gives_the_ids_of_encode(trained, texts, dtype):
    assert_equal(trained, *texts, dtype=dtype)


@fast
@given(text=texts)
def test_every_known_split_is_tiktokens_too(split_by_known, text):
    assert isinstance(encoder_of(split_by_known), TiktokenEncoder)
    assert_equal(split_by_known, text)


@pytest.mark.parametrize("kind", ["word", "wordpiece", "unigram"])
def test_long_texts_go_through_the_library_in_pieces(trained_kind, shared, kind):
    text = (shared / "data" / "wikitext2-valid.txt").read_text(encoding="utf-8")[:150_000]
    assert_equal(trained_kind(kind), text, "", text[:5])


@pytest.fixture
def published_pattern(split_by_known, monkeypatch) -> str:
    """What tiktoken publishes for the split that ``split_by_known`` has."""
    public = pytest.importorskip("tiktoken_ext.openai_public")
    monkeypatch.setattr(public, "load_tiktoken_bpe", lambda *_, **__: {})
    regex = split_by_known.content["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"]
    if regex == SPLIT_PATTERNS["gpt2"]:
        return public.r50k_pat_str
    name = "cl100k_base" if regex == SPLIT_PATTERNS["cl100k"] else "o200k_base"
    return getattr(public, name)()["pat_str"]


@pytest.fixture
def published(gpt2) -> tiktoken.Encoding:
    """GPT-2's vocabulary in tiktoken, with the expression that tiktoken publishes for it."""
    values = {letter: value for value, letter in enumerate(byte_letters())}
    vocabulary = gpt2.content["model"]["vocab"].items()
    ranks = {
        bytes(values[letter] for letter in piece): number
        for piece, number in vocabulary
        if number < 50256
    }
    fast_form = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"
    return tiktoken.Encoding("gpt2", pat_str=fast_form, mergeable_ranks=ranks, special_tokens={})


def test_gpt2_gives_the_ids_of_tiktoken_and_of_the_library(gpt2, published, shared):
    encoder = encoder_of(gpt2)
    assert isinstance(encoder, TiktokenEncoder)
    text = (shared / "data" / "wikitext2-valid.txt").read_text(encoding="utf-8")
    (ids,) = encoder.encode([text])
    assert ids.tolist() == published.encode_ordinary(text)
    assert ids.tolist() == gpt2.inner.encode(text, add_special_tokens=False).ids


def test_gpt2_of_the_lecture(gpt2, shared):
    text = (shared / "data" / "tinyshakespeare.txt").read_text(encoding="utf-8")
    play, greeting = encoder_of(gpt2).encode([text, "hii there"])
    assert (len(play), greeting.tolist()) == (338_025, [71, 4178, 612])


@settings(fast, max_examples=300)
@given(text=texts)
def test_gpt2_gives_the_ids_of_tiktoken_for_any_text(gpt2, published, text):
    (ids,) = encoder_of(gpt2).encode([text])
    assert ids.tolist() == published.encode_ordinary(text)
    assert_equal(gpt2, text)


@pytest.mark.parametrize("blank", [" ", " \t"])
def test_white_space_without_end_is_left_to_the_library(trained_kind, blank, capfd):
    text = f"a{blank * (2**20 // len(blank))}b"  # tiktoken gives up at a million
    assert_equal(trained_kind("bpe"), text)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("unit", ["a", "Ab", "1", "!", "中文", " a", "'s", "e\u0301", "\n a"])
def test_long_runs_end(split_by_known, unit):
    assert_equal(split_by_known, unit * (2**16 // len(unit)))


def test_two_threads_encode_at_once(trained, sample):
    encoder = bulk_encoder(trained, "uint16")
    shares = [[sample[start:] * 5 for start in range(first, 20, 2)] for first in (0, 1)]
    expected = [encoder.encode(share) for share in shares]
    found: dict[int, list] = {}

    def work(number: int) -> None:
        found[number] = encoder.encode(shares[number])

    threads = [threading.Thread(target=work, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in (0, 1):
        assert all(map(np.array_equal, found[number], expected[number]))


def test_an_unseen_character_is_found_in_its_text():
    with pytest.raises(UnseenCharacterError, match="U\\+00E9") as caught:
        bulk_encoder(character_tokenizer("abc"), "uint16").encode(["abc", "", "abéa"])
    assert (caught.value.text_index, caught.value.offset) == (2, 2)


def test_an_unseen_ascii_character_is_found_too():
    with pytest.raises(UnseenCharacterError) as caught:
        bulk_encoder(character_tokenizer("ab"), "uint16").encode(["ab", "bax"])
    assert (caught.value.character, caught.value.text_index, caught.value.offset) == ("x", 1, 2)


def test_half_of_a_surrogate_pair_is_an_error_in_every_kind(trained):
    with pytest.raises(DataError):
        bulk_encoder(trained, "uint16").encode(["fine", "a\ud800"])


def test_ids_that_the_dtype_cannot_hold_are_refused():
    tokenizer = character_tokenizer(map(chr, range(0x10000, 0x20001)))
    with pytest.raises(UsageError, match="uint16 has no room for ids up to 65,536"):
        bulk_encoder(tokenizer, "uint16")
    assert_equal(tokenizer, "\U00020000", dtype="uint32")


@pytest.mark.parametrize("size", [255, 256, 257, 65_535, 65_536])
def test_characters_fill_their_dtype(size):
    tokenizer = character_tokenizer(map(chr, range(0x10000, 0x10000 + size)))
    assert_equal(tokenizer, chr(0x10000 + size - 1) + chr(0x10000))
    with pytest.raises(UnseenCharacterError):
        bulk_encoder(tokenizer, "uint16").encode(["a"])


def test_letters_with_high_ids_are_found():
    inner = json.loads(character_tokenizer("".join(map(chr, range(0x100, 0x300)))).to_json())
    inner["model"]["vocab"] |= {"a": 512, "b": 513}
    assert_equal(Tokenizer.from_json(json.dumps(inner)), "abba", "Āab")


def test_characters_and_bytes_take_no_time(trained_kind):
    text = "First Citizen:\n " * 2**16
    for kind in ("char", "byte"):
        encoder = bulk_encoder(trained_kind(kind), "uint16")
        begun = time.perf_counter()
        encoder.encode([text] * 20)
        assert time.perf_counter() - begun < 1  # 20 MiB; the library takes most of a minute


@pytest.mark.parametrize("split_by_known", ["gpt2", "cl100k", "o200k"], indirect=True)
@fast
@given(text=texts)
def test_known_patterns_are_tiktokens_own(split_by_known, published_pattern, text):
    ranks = tiktoken_encoding_of(split_by_known)._mergeable_ranks
    theirs = tiktoken.Encoding(
        "theirs", pat_str=published_pattern, mergeable_ranks=ranks, special_tokens={}
    )
    for ending in ("", "\n", " \n  ", "\n\n \r"):
        (ids,) = encoder_of(split_by_known).encode([text + ending])
        assert ids.tolist() == theirs.encode_ordinary(text + ending)
