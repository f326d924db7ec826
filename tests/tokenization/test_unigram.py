import re

import pytest
import tokenizers
from tokenizers import models, pre_tokenizers, trainers

from gptcli.errors import UsageError
from gptcli.tokenization.kinds import UNK, TokenizerSpec
from gptcli.tokenization.splits import UNIGRAM_SPLIT
from gptcli.tokenization.tokenizer import Tokenizer
from gptcli.tokenization.trainer import train_tokenizer
from gptcli.tokenization.unigram import alphabet_of, learn_pieces


def test_unigrams_need_fewer_tokens_than_the_librarys_own(shared):
    text = (shared / "data" / "wikitext2-valid.txt").read_text(encoding="utf-8")
    known, unknown = text[:200_000], text[200_000:250_000]
    theirs = tokenizers.Tokenizer(models.Unigram())
    theirs.pre_tokenizer = pre_tokenizers.Split(tokenizers.Regex(UNIGRAM_SPLIT), "isolated")
    trainer = trainers.UnigramTrainer(
        vocab_size=2000, unk_token=UNK, special_tokens=[UNK], show_progress=False
    )
    theirs.train_from_iterator([known], trainer)
    ours = train_tokenizer(TokenizerSpec("unigram", 2000 + 256), [known])
    assert len(ours.encode(unknown)) < len(theirs.encode(unknown).ids)


def test_pieces_of_unigram_are_the_likeliest_first(trained_kind):
    vocabulary = trained_kind("unigram").content["model"]["vocab"]
    pieces, tokens = vocabulary[256:-1], [*vocabulary[:256], vocabulary[-1]]
    scores = [score for _, score in pieces]
    assert scores == sorted(scores, reverse=True)
    assert all(0 < len(piece) <= 16 for piece, _ in pieces)
    assert [name for name, _ in tokens] == [*(f"<0x{n:02X}>" for n in range(256)), UNK]
    assert all(score < 6 * scores[-1] for _, score in tokens)


def test_scores_of_unigram_are_read_as_they_were_written():
    text = " ".join(str(number) * (number % 3 + 1) for number in range(20_000))
    tokenizer = train_tokenizer(TokenizerSpec("unigram", 1000), [text])
    again = Tokenizer.from_json(tokenizer.to_json())
    assert again.content["model"]["vocab"] == tokenizer.content["model"]["vocab"]
    assert again.identity == tokenizer.identity


def test_rare_characters_of_unigram_are_bytes():
    text = "the cat sat on the mat\n" * 1000 + "鬱"
    tokenizer = train_tokenizer(TokenizerSpec("unigram", 400), [text])
    ids = tokenizer.encode("鬱").tolist()
    assert ids == list("鬱".encode())
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_the_alphabet_of_unigram_follows_from_the_text(sample):
    with pytest.raises(UsageError, match="--vocab-size 300 is too small for unigram") as caught:
        train_tokenizer(TokenizerSpec("unigram", 300), [sample])
    least = int(re.search(r"need (\d+) tokens", str(caught.value))[1])
    assert train_tokenizer(TokenizerSpec("unigram", least), [sample]).vocab_size == least
    with pytest.raises(UsageError):
        train_tokenizer(TokenizerSpec("unigram", least - 1), [sample])


def test_rare_characters_are_left_out_of_the_alphabet():
    words = {"abab": 5000, "abc": 3, "d": 2}
    assert alphabet_of(words, "z") == ["a", "b", "z"]
    assert alphabet_of({"ab": 2, "ba": 1, "c": 3}) == ["a", "b", "c"]


def test_words_that_are_always_together_are_one_piece():
    pieces = dict(learn_pieces({" the": 90, " cat": 50, "s": 20}, list(" acehst"), 9, frozenset()))
    assert len(pieces) == 9
    assert {" the", " cat", *" acehst"} == pieces.keys()


def test_taken_names_are_no_pieces():
    pieces = learn_pieces({"<eos>": 100}, list("<>eos"), 50, frozenset({"<eos>"}))
    assert "<eos>" not in dict(pieces)
