import io
import json
import sys
import unicodedata
from collections.abc import Callable
from functools import cache

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from gptcli.errors import CheckpointError, UsageError
from gptcli.tokenization import sentencepiece_model
from gptcli.tokenization.loading import load_tokenizer
from gptcli.tokenization.sentencepiece_model import sentencepiece_tokenizer
from gptcli.tokenization.tokenizer import Tokenizer

sentencepiece = pytest.importorskip("sentencepiece")
layout = pytest.importorskip("sentencepiece.sentencepiece_model_pb2")

SENTENCES = (
    "First Citizen: Before we proceed any further, hear me speak.",
    "You are all resolved rather to die than to famish?",
    "  the   café's naïve ﬁne ½ words,\tthe Ångström; e\u0301 and \u1ebf, ok?",
    "1234 < 5678 > 90 / x <s",
    "Let us kill him, and we'll have corn at our own price. Is't a verdict?",
)
marks = "\u0301\u0302\u0323\u0308\u20dd\ufe0f\u3099\uff9e\u200d\u200c\U0001f3fd"
odd = st.sampled_from(f" \t\r\n\0\1\u00a0\u3000\u200b\ufeff▁eEÅ²①ﬁ中ㅋㅠ가ﾊ\uff21😀{marks}")
own = st.sampled_from(["\n", "\t", "\r\n", "Citizen", "citizen", "\u2460", "\ufb01", "CITIZEN"])
names = ["<s>", "</s>", "<unk>", "<pad>", "<0x41>", "<", "<sep>"]
spelt = st.sampled_from([*names, "  ", " the", "Citizen", " e\u0301", "\r\n"])
any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
texts = st.lists(any_text | odd | spelt, max_size=12).map("".join)


@cache
def model(kind: str = "unigram", **options) -> bytes:
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES * 8),
        model_writer=written,
        model_type=kind,
        vocab_size=(256 if options.get("byte_fallback") else 0) + 120,
        pad_id=3,
        hard_vocab_limit=False,
        minloglevel=3,
        **options,
    )
    return written.getvalue()


@cache
def both(kind: str, **options) -> tuple[Tokenizer, sentencepiece.SentencePieceProcessor]:
    content = model(kind, **options)
    theirs = sentencepiece.SentencePieceProcessor(model_proto=content)
    return sentencepiece_tokenizer(content, "t.model"), theirs


def is_same(ids: list[int], theirs: list[int], kind: str) -> bool:
    """Equal, or of a unigram model the same pieces in another order: equally good."""
    return ids == theirs or (kind == "unigram" and sorted(ids) == sorted(theirs))


OPTIONS = {
    "plain": {"normalization_rule_name": "identity"},
    "usual": {"normalization_rule_name": "nmt_nfkc"},
    "folded": {"normalization_rule_name": "nmt_nfkc_cf", "add_dummy_prefix": False},
    "composed": {"normalization_rule_name": "nfkc", "remove_extra_whitespaces": False},
    "spaces": {
        "normalization_rule_name": "identity",
        "remove_extra_whitespaces": False,
        "split_by_whitespace": False,
    },
    "llama's": {
        "normalization_rule_name": "identity",
        "remove_extra_whitespaces": False,
        "byte_fallback": True,
    },
    "gemma's": {
        "normalization_rule_name": "identity",
        "remove_extra_whitespaces": False,
        "add_dummy_prefix": False,
        "byte_fallback": True,
        "user_defined_symbols": "<sep>,▁▁",
    },
    "bytes": {"normalization_rule_name": "nmt_nfkc", "byte_fallback": True},
    "exempt from rules": {
        "normalization_rule_name": "nmt_nfkc_cf",
        "user_defined_symbols": "\n,\t,\r\n,Citizen,\u2460,\ufb01",
    },
    "own": {"normalization_rule_name": "nmt_nfkc", "user_defined_symbols": "<sep>"},
}


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
@settings(deadline=None, max_examples=60)
@given(text=texts)
@example(text="a ▁ ")
@example(text="▁")
@example(text="\0")
@example(text="")
def test_ids_and_text_are_sentencepieces(kind, options, text):
    tokenizer, theirs = both(kind, **options)
    assume(unicodedata.is_normalized("NFC", theirs.normalize(text)))
    if kind == "unigram" and "▁▁" in options.get("user_defined_symbols", ""):
        assume("  " not in text.replace("▁", " "))  # what these are worth differs by version
    ids = tokenizer.encode(text).tolist()
    assert is_same(ids, theirs.encode(text), kind)
    if "▁" not in text:  # a space that is none: they differ in how many they take off the front
        assert tokenizer.decode(ids) == theirs.decode(ids)


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_vocabulary_and_special_tokens_are_the_models(kind):
    tokenizer, theirs = both(kind, byte_fallback=True)
    assert tokenizer.vocab_size == theirs.vocab_size()
    assert tokenizer.special_tokens == {"<unk>": 0, "<s>": 1, "</s>": 2, "<pad>": 3}
    assert tokenizer.end_of_text == theirs.eos_id()
    assert tokenizer.kind == kind


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
@pytest.mark.parametrize("text", ["<s>", "</s>", "a</s>b", "<unk>", "<pad>", "<0x41>", "<s></s>"])
def test_text_that_spells_a_piece_of_the_format_stays_text(kind, text):
    tokenizer, theirs = both(kind, byte_fallback=True, normalization_rule_name="identity")
    ids = tokenizer.encode(text).tolist()
    assert not {1, 2, 3, 4 + 0x41} & {*ids}
    assert ids == theirs.encode(text)
    assert tokenizer.decode(ids) == text


@settings(deadline=None, max_examples=200)
@given(text=st.lists(odd, max_size=8).map("".join))
def test_normalized_text_is_sentencepieces_in_form_c(text):
    tokenizer, theirs = both("unigram", normalization_rule_name="nmt_nfkc", byte_fallback=True)
    shown = theirs.decode(tokenizer.encode(text).tolist())
    expected = unicodedata.normalize("NFC", theirs.normalize(text)).replace("▁", " ")
    assert shown == expected.removeprefix(" ")


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_a_converted_model_survives_writing(kind):
    tokenizer, _ = both(kind, byte_fallback=True)
    again = Tokenizer.from_json(tokenizer.to_json())
    assert again.identity == tokenizer.identity
    assert again.encode(SENTENCES[0]).tolist() == tokenizer.encode(SENTENCES[0]).tolist()


def changed(change: Callable[[object], object]) -> bytes:
    content = layout.ModelProto.FromString(model())
    change(content)
    return content.SerializeToString()


def test_what_cannot_be_converted_exactly_is_refused():
    changes = {
        "model type": lambda it: setattr(it.trainer_spec, "model_type", 4),
        "ends of words": lambda it: setattr(it.trainer_spec, "treat_whitespace_as_suffix", True),
        "not escaped": lambda it: setattr(it.normalizer_spec, "escape_whitespaces", False),
        "rules for decoding": lambda it: setattr(
            it.denormalizer_spec, "precompiled_charsmap", b"x"
        ),
        r"rules of its own \('mine'\)": lambda it: setattr(it.normalizer_spec, "name", "mine"),
        "not used": lambda it: setattr(it.pieces[-1], "type", 5),
    }
    for why, change in changes.items():
        with pytest.raises(CheckpointError, match=f"t.model has .*{why}.*tokenizer.json"):
            sentencepiece_tokenizer(changed(change), "t.model")


def test_damaged_model_is_one_line(capfd):
    rules = layout.ModelProto.FromString(model()).normalizer_spec.precompiled_charsmap
    damaged = {
        "empty": b"",
        "text": b"First Citizen",
        "cut short": model()[:-7],
        "no unknown": changed(lambda it: setattr(it.pieces[0], "type", 3)),
        "a piece twice": changed(lambda it: setattr(it.pieces[9], "piece", it.pieces[8].piece)),
        "a piece of nothing": changed(lambda it: setattr(it.pieces[9], "piece", "")),
        "no number": changed(lambda it: setattr(it.pieces[9], "score", float("nan"))),
        "not UTF-8": model().replace("▁".encode(), b"\xff\xff\xff"),
        "rules cut short": changed(
            lambda it: setattr(it.normalizer_spec, "precompiled_charsmap", rules[:5000])
        ),
        "rules that lead nowhere": changed(
            lambda it: setattr(
                it.normalizer_spec,
                "precompiled_charsmap",
                rules[:4] + b"\x00\xfc\xff\x7f" * 256 + rules[1028:],
            )
        ),
    }
    for content in damaged.values():
        with pytest.raises(CheckpointError, match=r"t\.model") as caught:
            sentencepiece_tokenizer(content, "t.model")
        assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
@settings(deadline=None, max_examples=60)
@given(place=st.floats(0, 1), value=st.integers(0, 255))
def test_a_flipped_byte_is_refused_or_harmless(kind, place, value):
    content = bytearray(model(kind))
    content[int(place * (len(content) - 1))] = value
    try:
        tokenizer = sentencepiece_tokenizer(bytes(content), "t.model")
    except CheckpointError:
        return
    for text in (*SENTENCES, "e\u0301\u0302 ﬁ \r\n ㅋㅠ"):
        tokenizer.decode(tokenizer.encode(text))


@pytest.mark.parametrize("missing", ["sentencepiece", "google.protobuf"])
def test_missing_extra_is_named(monkeypatch, missing):
    monkeypatch.delitem(sys.modules, "sentencepiece.sentencepiece_model_pb2", raising=False)
    for name in [name for name in sys.modules if name.startswith(f"{missing}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(UsageError, match=r"t\.model.*pip install 'gptcli\[sources\]'"):
        sentencepiece_tokenizer(b"", "t.model")


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
@settings(deadline=None, max_examples=80)
@given(text=st.lists(own | st.sampled_from([" ", "the", "First ", "e"]), max_size=10).map("".join))
def test_own_pieces_are_exempt_from_the_rules(kind, text):
    tokenizer, theirs = both(kind, **OPTIONS["exempt from rules"])
    assert is_same(tokenizer.encode(text).tolist(), theirs.encode(text), kind)


def test_a_model_with_exempt_pieces_has_its_former_identity_too():
    content = model(**OPTIONS["exempt from rules"])
    tokenizer = sentencepiece_tokenizer(content, "t.model")
    former = Tokenizer.from_json(
        sentencepiece_model._converted(layout.ModelProto.FromString(content), [])
    )
    assert former.identity != tokenizer.identity
    assert tokenizer.has_identity(former.identity)


@pytest.mark.parametrize("named", [None, "PreTrainedTokenizerFast", "LlamaTokenizer"])
def test_a_model_without_a_class_that_fits_is_read_as_sentencepiece_reads_it(tmp_path, named):
    transformers = pytest.importorskip("transformers")
    content = model("bpe", byte_fallback=True)
    (tmp_path / "tokenizer.model").write_bytes(content)
    settings = {"tokenizer_class": named} if named else {}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    tokenizer = load_tokenizer(tmp_path)
    oracle = sentencepiece.SentencePieceProcessor(model_proto=content)
    assert tokenizer.encode("the other").tolist() == oracle.encode("the other")
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    agrees = theirs.encode("the other", add_special_tokens=False) == oracle.encode("the other")
    assert agrees == (not tokenizer.notes) == (named == "LlamaTokenizer")
