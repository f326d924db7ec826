import json
import sys
from functools import cache
from itertools import pairwise

import pytest
import tokenizers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import models, pre_tokenizers

from gptcli.tokenization.splits import KNOWN_SPLITS, SPLIT_PATTERNS, Cuts, cuts_of
from gptcli.tokenization.tokenizer import Tokenizer

fast = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
# Much of what decides on words, so that short texts have many kinds of boundary.
_hard = st.sampled_from(
    list("aaéZ19½²中①ª \n  \n\t\r'\u2019.,#/<>_-▁\u0301\u00a0\u3000\x1c\u200d😀ⅷ\u017fßء")
)
_words = st.sampled_from(["the", "I'll", "x1", " a", "a\n", "12345", "##", "<tool>", "end of", "É"])
_any = st.characters(exclude_categories=["Cs"])
texts = st.lists(_hard | _words | _any, max_size=25).map("".join)


def places(text: str, cuts: Cuts) -> list[int]:
    """The places that the documentation of ``cuts`` allows."""
    after = {Cuts.WORDS: " \n", Cuts.SPACES: " ", Cuts.NOWHERE: ""}
    inside = range(1, len(text))
    if cuts is Cuts.ANYWHERE:
        return list(inside)
    return [at for at in inside if text[at - 1].isalnum() and text[at] in after[cuts]]


def ids_of_pieces(tokenizer: Tokenizer, text: str, boundaries: list[int]) -> list[int]:
    ends = [0, *boundaries, len(text)]
    pieces = [text[start:end] for start, end in pairwise(ends)]
    return [number for piece in pieces for number in tokenizer.encode(piece).tolist()]


def assert_cuts_change_nothing(tokenizer: Tokenizer, text: str) -> None:
    whole = tokenizer.encode(text).tolist()
    allowed = places(text, cuts_of(tokenizer))
    assert ids_of_pieces(tokenizer, text, allowed) == whole
    for place in allowed:
        assert ids_of_pieces(tokenizer, text, [place]) == whole


@fast
@given(text=texts)
def test_cuts_of_every_kind_change_nothing(trained, text):
    assert cuts_of(trained) is (Cuts.ANYWHERE if trained.kind in ("char", "byte") else Cuts.WORDS)
    assert_cuts_change_nothing(trained, text)


@fast
@given(text=texts)
def test_cuts_of_every_known_split_change_nothing(split_by_known, text):
    assert cuts_of(split_by_known) is Cuts.WORDS
    assert_cuts_change_nothing(split_by_known, text)


@settings(fast, max_examples=200)
@given(text=texts)
def test_cuts_of_gpt2_change_nothing(gpt2, text):
    assert cuts_of(gpt2) is Cuts.WORDS
    assert_cuts_change_nothing(gpt2, text)


def test_cuts_of_a_whole_corpus_change_nothing(gpt2, shared):
    text = (shared / "data" / "wikitext2-valid.txt").read_text(encoding="utf-8")[:200_000]
    boundaries = places(text, cuts_of(gpt2))[::40]
    assert len(boundaries) > 500
    assert ids_of_pieces(gpt2, text, boundaries) == gpt2.encode(text).tolist()


def test_what_python_calls_alphanumeric_is_a_letter_or_a_number_of_the_library():
    everything = map(chr, [*range(0xD800), *range(0xE000, sys.maxunicode + 1)])
    alphanumeric = "".join(character for character in everything if character.isalnum())
    others = pre_tokenizers.Split(tokenizers.Regex(r"[\p{L}\p{N}]+"), "removed")
    assert others.pre_tokenize_str(alphanumeric) == []


def with_parts(added: tuple[dict, ...] = (), model: dict | None = None, **parts) -> Tokenizer:
    """A BPE that would merge across most boundaries of words, with the parts given."""
    spaces = " \nĠĊ▁"
    pairs = [(letter, space) for letter in "aetdxZ19)½é" for space in spaces]
    pairs += [(space, letter) for space in spaces for letter in "atdxZ1("] + [("x", "1")]
    letters = sorted({*map(chr, range(32, 127)), *spaces, *"½éÂÃ"})
    listed = ["<unk>", *letters, *(left + right for left, right in pairs)]
    vocabulary = {piece: number for number, piece in enumerate(listed)}
    inner = tokenizers.Tokenizer(models.BPE(vocabulary, pairs, unk_token="<unk>"))
    content = json.loads(inner.to_str())
    content["model"].update(model or {})
    plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
    content["added_tokens"] = [
        {"id": len(listed) + number, **plain, **token} for number, token in enumerate(added)
    ]
    return Tokenizer.from_json(json.dumps({**content, **parts}))


def split(regex: str = SPLIT_PATTERNS["gpt2"], behavior: str = "Isolated", invert: bool = False):
    return {
        "type": "Split",
        "pattern": {"Regex": regex},
        "behavior": behavior,
        "invert": invert,
    }


def sequence(*parts, key="pretokenizers"):
    return {"type": "Sequence", key: list(parts)}


def byte_level(use_regex: bool = True, prefix: bool = False) -> dict:
    options = {"add_prefix_space": prefix, "trim_offsets": True, "use_regex": use_regex}
    return {"type": "ByteLevel", **options}


def metaspace(scheme: str = "always", split: bool = True) -> dict:
    return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": split}


BERT = {"type": "BertPreTokenizer"}
BERT_NORMALIZER = {
    "type": "BertNormalizer",
    "clean_text": True,
    "handle_chinese_chars": True,
    "strip_accents": None,
    "lowercase": True,
}
DIGITS = {"type": "Digits", "individual_digits": True}
PUNCTUATION = {"type": "Punctuation", "behavior": "Isolated"}
NFKC = {"type": "NFKC"}
SPACE = {"type": "WhitespaceSplit"}

ALLOWED = {
    "bert": (Cuts.WORDS, {"pre_tokenizer": BERT, "normalizer": BERT_NORMALIZER}),
    "whitespace": (Cuts.WORDS, {"pre_tokenizer": {"type": "Whitespace"}, "normalizer": NFKC}),
    "white space split": (Cuts.WORDS, {"pre_tokenizer": SPACE}),
    "white space, then metaspace": (Cuts.WORDS, {"pre_tokenizer": sequence(SPACE, metaspace())}),
    "metaspace": (Cuts.SPACES, {"pre_tokenizer": metaspace()}),
    "metaspace first": (Cuts.SPACES, {"pre_tokenizer": metaspace("first")}),
    "metaspace never": (Cuts.SPACES, {"pre_tokenizer": metaspace("never")}),
    "prefix": (Cuts.SPACES, {"pre_tokenizer": byte_level(prefix=True)}),
    "digits": (Cuts.WORDS, {"pre_tokenizer": sequence(DIGITS, PUNCTUATION, byte_level())}),
    "split": (Cuts.WORDS, {"pre_tokenizer": split()}),
    "kept matches": (Cuts.WORDS, {"pre_tokenizer": split(behavior="Removed", invert=True)}),
    "NFKC": (
        Cuts.SPACES,
        {"pre_tokenizer": split(SPLIT_PATTERNS["llama3"]), "normalizer": NFKC},
    ),
    "several normalizers": (
        Cuts.SPACES,
        {
            "pre_tokenizer": split(),
            "normalizer": sequence(
                {"type": "NFD"}, {"type": "Lowercase"}, {"type": "StripAccents"}, key="normalizers"
            ),
        },
    ),
    "a token in words": (
        Cuts.WORDS,
        {"pre_tokenizer": split(), "added": ({"content": "<tool>"}, {"content": "x1"})},
    ),
    "a special token": (
        Cuts.WORDS,
        {"pre_tokenizer": split(), "added": ({"content": "end of", "special": True},)},
    ),
}

REFUSED = {
    "nothing splits": {"pre_tokenizer": None},
    "unknown expression": {"pre_tokenizer": split(r"\w+|\W+")},
    "unknown expression before": {"pre_tokenizer": sequence(split("a b"), byte_level())},
    "dropped matches": {"pre_tokenizer": split(behavior="Removed")},
    "joined matches": {"pre_tokenizer": split(behavior="MergedWithNext")},
    "bytes without words": {"pre_tokenizer": byte_level(use_regex=False)},
    "letters respelt before": {"pre_tokenizer": sequence(byte_level(use_regex=False), split())},
    "metaspace without words": {"pre_tokenizer": metaspace(split=False)},
    "the first word marked": {"pre_tokenizer": sequence(SPACE, metaspace("first"))},
    "scripts": {"pre_tokenizer": sequence({"type": "UnicodeScripts"}, byte_level())},
    "digits alone": {"pre_tokenizer": DIGITS},
    "prepend": {"pre_tokenizer": split(), "normalizer": {"type": "Prepend", "prepend": "▁"}},
    "strip": {
        "pre_tokenizer": split(),
        "normalizer": {"type": "Strip", "strip_left": True, "strip_right": True},
    },
    "replace": {
        "pre_tokenizer": metaspace(),
        "normalizer": sequence(
            NFKC,
            {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
            key="normalizers",
        ),
    },
    "spaces around Chinese": {"pre_tokenizer": split(), "normalizer": BERT_NORMALIZER},
    "a token with a space": {"pre_tokenizer": split(), "added": ({"content": "end of"},)},
    "a token that takes spaces": {
        "pre_tokenizer": split(),
        "added": ({"content": "<tool>", "lstrip": True},),
    },
    "a token in normalized text": {
        "pre_tokenizer": split(),
        "normalizer": NFKC,
        "added": ({"content": "<tool>", "normalized": True},),
    },
}


@cache
def made(name: str) -> Tokenizer:
    return with_parts(**ALLOWED[name][1])


@pytest.mark.parametrize("name", ALLOWED)
@fast
@given(text=texts)
def test_other_tokenizers_are_cut_where_that_is_proven(name, text):
    assert cuts_of(made(name)) is ALLOWED[name][0]
    assert_cuts_change_nothing(made(name), text)


@pytest.mark.parametrize("parts", REFUSED.values(), ids=REFUSED)
def test_without_a_proof_there_are_no_cuts(parts):
    assert cuts_of(with_parts(**parts)) is Cuts.NOWHERE


def test_a_normalizer_can_join_a_newline_to_what_was_a_number():
    # Why NFKC allows SPACES alone: a parenthesized number ends in a parenthesis.
    tokenizer = with_parts(**ALLOWED["NFKC"][1])
    whole = tokenizer.encode("①⑴\nx").tolist()
    assert ids_of_pieces(tokenizer, "①⑴\nx", [2]) != whole


@pytest.mark.parametrize("regex", sorted(KNOWN_SPLITS))
def test_known_splits_lose_nothing(regex, sample):
    pieces = pre_tokenizers.Split(tokenizers.Regex(regex), "removed", invert=True)
    assert "".join(piece for piece, _ in pieces.pre_tokenize_str(sample)) == sample
