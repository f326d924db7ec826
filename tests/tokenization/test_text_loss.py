"""What is counted as lost is what decoding does not give back."""

import io
import json
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gptcli.tokenization.kinds import TokenizerSpec
from gptcli.tokenization.sentencepiece_model import sentencepiece_tokenizer
from gptcli.tokenization.text_loss import TextLoss, is_made_here
from gptcli.tokenization.tokenizer import Tokenizer
from gptcli.tokenization.trainer import character_tokenizer, train_tokenizer

TEXT = "It was a dark and stormy night; the rain fell in torrents, and He said: no. 12\n" * 30
fast = settings(max_examples=60, deadline=None)
texts = st.text(st.sampled_from("Iat was\n\tHe,\uff21é漢x🙂"), max_size=30)


def sentencepiece(**options) -> Tokenizer:
    trainer = pytest.importorskip("sentencepiece").SentencePieceTrainer
    model = io.BytesIO()
    trainer.train(
        sentence_iterator=iter(TEXT.split("\n")),
        model_writer=model,
        vocab_size=300 if options.get("byte_fallback") else 45,
        minloglevel=2,
        hard_vocab_limit=False,
        **options,
    )
    return sentencepiece_tokenizer(model.getvalue(), "a.model")


def foreign(model: dict, **parts) -> Tokenizer:
    empty = dict.fromkeys(("normalizer", "pre_tokenizer", "post_processor", "decoder"))
    content = {"version": "1.0", "added_tokens": [], **empty, "model": model, **parts}
    return Tokenizer.from_json(json.dumps(content))


LETTERS = {letter: number for number, letter in enumerate("abcdefghijklmnopqrstuvwxyz ")}
BPE = {"type": "BPE", "vocab": LETTERS, "merges": [], "fuse_unk": False}
WORDS = {"type": "WordLevel", "vocab": {"it": 0, "was": 1, "<unk>": 2}, "unk_token": "<unk>"}
MADE = {
    "char": lambda: character_tokenizer("Iat was\n", unk=True),
    "word": lambda: train_tokenizer(TokenizerSpec("word", 20), [TEXT]),
    "wordpiece": lambda: train_tokenizer(TokenizerSpec("wordpiece", 600), [TEXT]),
    "unigram": lambda: train_tokenizer(TokenizerSpec("unigram", 320), [TEXT]),
    "llama's kind": lambda: sentencepiece(
        model_type="bpe",
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
    ),
    "T5's kind": lambda: sentencepiece(model_type="unigram"),
    "letters": lambda: foreign(BPE, decoder={"type": "Fuse"}),
    "lower case": lambda: foreign(BPE, decoder={"type": "Fuse"}, normalizer={"type": "Lowercase"}),
    "spaced words": lambda: foreign(WORDS, pre_tokenizer={"type": "Whitespace"}),
}


@cache
def made(name: str) -> Tokenizer:
    return MADE[name]()


def lost(name: str, text: str) -> int:
    loss = TextLoss.of(made(name))
    return 0 if loss is None else loss.characters(text, made(name).encode(text)).total()


@pytest.mark.parametrize("name", MADE)
@fast
@given(text=texts)
def test_nothing_is_lost_exactly_where_decoding_gives_the_text_back(name, text):
    tokenizer = made(name)
    ids = tokenizer.encode(text)
    unknown = tokenizer.inner.token_to_id("<unk>")
    restored = tokenizer.inner.decode([one for one in ids if one != unknown], False)
    same = sorted(restored) == sorted(text) or f" {restored}" == text
    assert (lost(name, text) == 0) is same


@pytest.mark.parametrize(
    ("name", "text", "count"),
    [
        ("char", "It was 漢字\n", 2),
        ("char", "<unk>", 5),  # five unknown characters, and not the token's name
        ("word", "and xyzzy", 5),
        ("llama's kind", " It\n\twas 漢字 🙂", 0),
        ("T5's kind", "was   a", 2),
        ("letters", "It was é", 2),
        ("lower case", "It WAS", 4),
        ("spaced words", "it was", 0),
        ("spaced words", "it\nwas it", 1),
    ],
)
def test_characters_are_counted(name, text, count):
    assert lost(name, text) == count


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("char", "漢漢字", "3 become <unk> ('漢', '字')"),
        ("letters", "abcABCD\n", "5 have no token ('⏎', 'A', 'B', ...)"),
        ("lower case", "AAé", "2 are folded into others ('A'), 1 have no token ('é')"),
    ],
)
def test_the_way_of_losing_is_told(name, text, told):
    loss = TextLoss.of(made(name))
    assert loss.description(loss.characters(text, made(name).encode(text))) == told


def test_tokenizers_that_keep_all_text_are_not_counted():
    keeping = [character_tokenizer("ab")]
    keeping += [train_tokenizer(TokenizerSpec(kind), [TEXT]) for kind in ("byte", "bpe")]
    assert [TextLoss.of(tokenizer) for tokenizer in keeping] == [None, None, None]


def test_only_kinds_that_are_trained_here_are_made_here():
    names = ["char", "word", "T5's kind", "letters", "spaced words"]
    assert [is_made_here(made(name)) for name in names] == [True, True, False, False, False]
