import json

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import decoders, models, normalizers, pre_tokenizers

from gptcli.errors import UsageError
from gptcli.tokenization.byte_level import byte_letters
from gptcli.tokenization.merges import last_merge, merge_steps
from gptcli.tokenization.tokenizer import Tokenizer
from gptcli.tokenization.trainer import character_tokenizer
from gptcli.tokenization.vocabulary_files import byte_level_tokenizer, vocabulary_tokenizer

PAIRS = [("t", "h"), ("th", "e"), ("h", "e"), ("Ġ", "the"), ("a", "a"), ("aa", "a"), ("Ã", "©")]


def byte_level(**options) -> Tokenizer:
    names = [*byte_letters(), *dict.fromkeys(left + right for left, right in PAIRS)]
    entries = {name: number for number, name in enumerate(names)}
    return byte_level_tokenizer(entries, PAIRS, {"<|endoftext|>": len(entries)}, "t", **options)


def sentencepiece_style(**options) -> Tokenizer:
    pairs = [("▁", "a"), ("a", "b"), ("▁a", "b")]
    names = ["<unk>", *(f"<0x{value:02X}>" for value in range(256)), *"▁ab", "▁a", "ab", "▁ab"]
    entries = {name: number for number, name in enumerate(names)}
    model = models.BPE(entries, pairs, unk_token="<unk>", fuse_unk=True, **options)
    inner = tokenizers.Tokenizer(model)
    prefix = [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    inner.normalizer = normalizers.Sequence(prefix)
    inner.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse()])
    return Tokenizer(inner)


def last_ids(steps) -> list[int]:
    by_part = {step.part: step.ids for step in steps}
    return [number for ids in by_part.values() for number in ids]


def test_gpt2_builds_a_word_from_its_characters(shared):
    folder = shared / "data" / "gpt2"
    files = ((folder / "encoder.json").read_bytes(), (folder / "vocab.bpe").read_bytes())
    tokenizer = vocabulary_tokenizer(*files)
    steps = merge_steps(tokenizer, "hii there")
    assert [step.pieces for step in steps if step.part == 0] == [("h", "i", "i"), ("h", "ii")]
    assert [step.pair for step in steps if step.part == 1] == [
        None, ("·", "t"), ("h", "e"), ("r", "e"), ("·t", "he"), ("·the", "re"),
    ]  # fmt: skip
    assert [step.rank for step in steps if step.part == 1] == [None, 0, 2, 4, 6, 356]
    assert last_ids(steps) == [71, 4178, 612]
    several = "unbelievable Übergrößenträger  x\n\n12345😀s it's"
    assert last_ids(merge_steps(tokenizer, several)) == tokenizer.encode(several).tolist()


def test_ranks_are_the_places_of_the_lines_in_the_list_of_merges():
    steps = merge_steps(byte_level(), " the")
    assert [step.rank for step in steps] == [None, 0, 1, 3]
    assert [step.pieces for step in steps][-2:] == [("·", "the"), ("·the",)]


def test_leftmost_of_equal_pairs_goes_first():
    steps = merge_steps(byte_level(), "aaaa")
    assert [step.pieces for step in steps] == [
        ("a", "a", "a", "a"), ("aa", "a", "a"), ("aa", "aa"),
    ]  # fmt: skip


def test_parts_of_characters_are_shown_as_bytes_until_they_are_whole():
    steps = merge_steps(byte_level(), "é\x1b")
    assert steps[0].pieces == ("\\xc3", "\\xa9")
    assert steps[1].pieces == ("é",)
    assert steps[2].pieces == ("\\x1b",)


@settings(deadline=None)
@given(st.text(st.sampled_from("the a\u00e9\n\u4e2d"), max_size=20))
def test_each_step_is_one_merge_and_the_last_is_what_the_library_gives(word):
    tokenizer = byte_level()
    steps = merge_steps(tokenizer, word)
    assert last_ids(steps) == tokenizer.encode(word).tolist()
    for before, step in zip([None, *steps], steps, strict=False):
        if before and before.part == step.part:
            assert len(step.ids) == len(before.ids) - 1
            assert step.pair in zip(before.pieces, before.pieces[1:], strict=False)
        else:
            assert step.pair is None


@settings(deadline=None)
@given(st.text(st.sampled_from("ab \u00e9\u4e2d▁"), max_size=20), st.booleans())
def test_sentencepiece_style_is_what_the_library_gives(word, byte_fallback):
    tokenizer = sentencepiece_style(byte_fallback=byte_fallback)
    assert last_ids(merge_steps(tokenizer, word)) == tokenizer.encode(word).tolist()


def test_sentencepiece_style_shows_the_space_and_the_bytes():
    steps = merge_steps(sentencepiece_style(byte_fallback=True), "abé")
    assert steps[0].ids[-2:] == (1 + 0xC3, 1 + 0xA9)
    assert [step.rank for step in steps] == [None, 0, 2]
    assert steps[-1].pieces[0].lstrip("·") == "ab"


def test_a_word_that_is_looked_up_as_a_whole_is_one_last_step():
    whole = byte_level_tokenizer(
        {name: number for number, name in enumerate([*byte_letters(), "xyz"])},
        [], {"<|endoftext|>": 257}, "t", ignore_merges=True,
    )  # fmt: skip
    steps = merge_steps(whole, "xyz")
    assert [step.pieces for step in steps] == [("x", "y", "z"), ("xyz",)]
    assert steps[-1].ids == tuple(whole.encode("xyz"))


def test_an_empty_word_has_no_steps():
    assert merge_steps(byte_level(), "") == []


def test_what_merges_nothing_is_refused():
    with pytest.raises(UsageError, match="char tokenizer has no merges"):
        merge_steps(character_tokenizer("ab"), "ab")
    with pytest.raises(UsageError, match="2,000 characters are too many"):
        merge_steps(byte_level(), "ab" * 1000)


def test_subwords_with_marks_are_refused():
    model = models.BPE({"a": 0, "##b": 1}, [], continuing_subword_prefix="##")
    with pytest.raises(UsageError, match="marked subwords"):
        merge_steps(Tokenizer(tokenizers.Tokenizer(model)), "ab")


def test_text_with_an_added_token_is_refused():
    content = json.loads(byte_level().to_json())
    content["added_tokens"][0] |= {"special": False}
    with pytest.raises(UsageError, match="which no merge makes"):
        merge_steps(Tokenizer.from_json(json.dumps(content)), "a<|endoftext|>")


def test_steps_are_those_of_a_tokenizer_without_a_pre_tokenizer_too():
    inner = tokenizers.Tokenizer(models.BPE({"a": 0, "b": 1, "ab": 2}, [("a", "b")]))
    steps = merge_steps(Tokenizer(inner), "abab")
    assert [step.ids for step in steps] == [(0, 1, 0, 1), (2, 0, 1), (2, 2)]


@given(st.text("ab", min_size=2, max_size=8), st.data())
def test_last_merge_is_the_last_of_the_lowest_first(token, data):
    names = data.draw(st.lists(st.text("ab", min_size=2, max_size=7), unique=True))
    ranks = {name: rank for rank, name in enumerate(names)} | {token: len(names)}
    pieces = list(token)
    while len(pieces) > 2:
        known = [(ranks.get(a + b, 99), at) for at, (a, b) in enumerate(zip(pieces, pieces[1:]))]  # noqa: B905, RUF007
        rank, at = min(known)
        if rank == 99:
            break
        pieces[at : at + 2] = [pieces[at] + pieces[at + 1]]
    assert last_merge(token, ranks) == (tuple(pieces) if len(pieces) == 2 else None)


def test_pre_tokenizers_that_split_give_parts():
    inner = tokenizers.Tokenizer(models.BPE({"a": 0, "b": 1, "ab": 2}, [("a", "b")]))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    assert [step.part for step in merge_steps(Tokenizer(inner), "ab a")] == [0, 0, 1]
