"""One text: cut in two by characters, encoded as a whole would be, byte for byte."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gptcli.config.data import ReadOptions
from gptcli.errors import DataError
from gptcli.tokenization.kinds import TokenizerSpec
from gptcli.tokenization.trainer import character_tokenizer

TEXT = "one two three four five\n"
SHARED_FILES = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@SHARED_FILES
@given(n=st.integers(2, 10_000))
def test_default_cut_is_the_lectures(build, write, tmp_path, n):
    dataset = build(f"{n}-{len(list(tmp_path.iterdir()))}", [write("x.txt", "é" * n)])
    assert dataset.train.n_tokens == int(0.9 * n)
    assert dataset.val.n_tokens == n - int(0.9 * n)


def test_tiny_shakespeare_has_the_lectures_sizes(build, shared):
    dataset = build("x", [str(shared / "data" / "tinyshakespeare.txt")])
    assert (dataset.train.n_tokens, dataset.val.n_tokens) == (1_003_854, 111_540)
    assert dataset.vocab_size == 65
    assert dataset.tokenizer.encode("hii there").tolist() == [46, 47, 47, 1, 58, 46, 43, 56, 43]


def test_gpt2_tokens_are_those_of_the_two_halves_encoded_whole(build, shared, tokens):
    from gptcli.tokenization.loading import load_tokenizer

    gpt2 = load_tokenizer(shared / "data" / "gpt2")
    file = shared / "data" / "wikitext2-valid.txt"
    dataset = build("x", [str(file)], tokenizer=gpt2)
    text = file.read_bytes().decode()
    cut = int(0.9 * len(text))
    for name, part in (("train", text[:cut]), ("val", text[cut:])):
        assert np.array_equal(tokens(dataset, name), gpt2.encode(part))
        record = dataset.record.splits[name]
        assert (record.characters, record.bytes) == (len(part), len(part.encode()))


@pytest.mark.parametrize(
    "kind", ["char", "byte", "word", "bpe:300", "wordpiece:600", "unigram:600"]
)
def test_every_kind_gives_the_text_back(build, write, tokens, kind):
    from gptcli.tokenization.kinds import parse_spec

    text = "".join(f"LINE {n}:\n  the  {n % 10} cats ate\tétudes.\r\n\n" for n in range(300))
    dataset = build("x", [write("x.txt", text)], tokenizer=parse_spec(kind))
    ids = np.concatenate([tokens(dataset, "train"), tokens(dataset, "val")])
    assert dataset.tokenizer.decode(ids) == text


@pytest.mark.parametrize("kind", ["char", "bpe"])
def test_threads_and_shards_do_not_show_in_the_tokens(build, shared, tokens, files_of, kind):
    source = [str(shared / "data" / "wikitext2-valid.txt")]
    spec = TokenizerSpec(kind, 400 if kind == "bpe" else None)
    one = build("one", source, tokenizer=spec)
    four = build("four", source, tokenizer=one.tokenizer, workers=4, shard_tokens=12_345)
    assert np.array_equal(tokens(one, "train"), tokens(four, "train"))
    sizes = [shard.tokens for shard in four.record.splits["train"].shards]
    assert set(sizes[:-1]) == {12_345}
    again = build("again", source, tokenizer=one.tokenizer, workers=3, shard_tokens=12_345)
    assert files_of(again.directory) == files_of(four.directory)
    assert again.identity == four.identity


def test_split_that_would_be_empty_is_refused_with_the_arithmetic(build, write):
    with pytest.raises(DataError, match=r"1 character: .* 0 to train on and 1 to hold out"):
        build("x", [write("a.txt", "a")])
    with pytest.raises(DataError, match="24 to train on and 0 to hold out"):
        build("x", [write("b.txt", TEXT)], val_fraction=1e-17)


def test_validation_can_be_done_without(build, write):
    dataset = build("x", [write("a.txt", TEXT)], val_fraction=0)
    assert (dataset.train.n_tokens, dataset.val.n_tokens) == (len(TEXT), 0)


def test_unseen_character_is_named_with_its_line(build, write, tmp_path):
    source = write("input.txt", "aaaaaaaaaa\nbbbbbbbbbbbé")
    place = r"input\.txt, line 2: character 'é' \(U\+00E9\) is not in the vocabulary of 3"
    with pytest.raises(DataError, match=place):
        build("x", [source], tokenizer=character_tokenizer("ab\n"))
    assert not [entry for entry in tmp_path.iterdir() if entry.is_dir()]


@pytest.mark.parametrize(("errors", "left"), [("replace", "ab\ufffdcd\ufffd"), ("ignore", "abcd")])
def test_bytes_that_are_no_text_are_counted(build, write, tokens, errors, left):
    source = write("x.txt", b"ab\xffcd\xfe" * 10)
    dataset = build("x", [source], read=ReadOptions(errors=errors), val_fraction=0)
    assert dataset.tokenizer.decode(tokens(dataset, "train")) == left * 10
    assert dataset.source["replaced"] == 20


def test_cut_falls_between_characters_after_replacement_too(build, write, tokens):
    source = write("x.txt", "é".encode() * 55 + b"\xff" * 45)
    dataset = build("x", [source], read=ReadOptions(errors="replace"), val_fraction=0.5)
    assert dataset.tokenizer.decode(tokens(dataset, "train")) == "é" * 50
    assert dataset.val.n_characters == 50


def test_source_is_described(build, write):
    import hashlib

    dataset = build("x", [write("a.txt", "héllo wörld\n" * 9)])
    content = ("héllo wörld\n" * 9).encode()
    assert dataset.source["sha256"] == hashlib.sha256(content).hexdigest()
    assert (dataset.source["bytes"], dataset.source["characters"]) == (len(content), 108)
