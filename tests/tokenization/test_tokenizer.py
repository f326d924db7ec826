import json
import time
from pathlib import Path

import numpy as np
import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import decoders, models, pre_tokenizers

from gptcli.errors import CheckpointError, DataError, UsageError
from gptcli.tokenization.kinds import UNK
from gptcli.tokenization.tokenizer import Tokenizer
from gptcli.tokenization.trainer import character_tokenizer
from gptcli.tokenization.unseen import UnseenCharacterError
from gptcli.tokenization.vocabulary import Vocabulary

ODD = "a\r\n\n \t\0\x1b\ufeff\u00e9e\u0301\u202e\U0001f600\U0010ffff"
any_text = st.text(st.characters(exclude_categories=["Cs"]))


def library(tokenizer: Tokenizer) -> tokenizers.Tokenizer:
    return tokenizers.Tokenizer.from_str(tokenizer.to_json())


@given(any_text.filter(bool))
def test_characters_round_trip_byte_for_byte(text):
    tokenizer = character_tokenizer(text)
    assert tokenizer.decode(tokenizer.encode(text)).encode() == text.encode()


@given(any_text, any_text.filter(bool), st.booleans())
def test_character_table_gives_the_ids_and_the_text_of_the_library(text, alphabet, unk):
    tokenizer = character_tokenizer(alphabet if unk else alphabet + text, unk)
    oracle = library(tokenizer)
    expected = oracle.encode(text, add_special_tokens=False).ids
    ids = tokenizer.encode(text)
    assert ids.tolist() == expected
    assert tokenizer.decode(ids) == oracle.decode(expected, skip_special_tokens=False)


def test_ids_are_int64_in_the_order_of_code_points():
    tokenizer = character_tokenizer(ODD)
    ids = tokenizer.encode("".join(sorted(set(ODD))))
    assert ids.dtype == np.int64
    assert ids.tolist() == list(range(tokenizer.vocab_size))


def test_lecture_tokenizer(shared):
    tokenizer = character_tokenizer((shared / "data" / "tinyshakespeare.txt").read_text())
    assert tokenizer.vocab_size == 65
    assert tokenizer.encode("\n ").tolist() == [0, 1]
    ids = [46, 47, 47, 1, 58, 46, 43, 56, 43]
    assert tokenizer.encode("hii there").tolist() == ids
    assert tokenizer.decode(ids) == "hii there"


def test_unseen_character_is_named_with_its_offset():
    with pytest.raises(UnseenCharacterError, match=r"'é' \(U\+00E9\) at offset 2") as caught:
        character_tokenizer("abc").encode("abé")
    assert (caught.value.character, caught.value.offset) == ("é", 2)


def test_unseen_control_character_is_named_without_being_printed():
    with pytest.raises(UnseenCharacterError) as caught:
        character_tokenizer("abc").encode("\x1b[2J")
    assert "U+001B" in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_unk_takes_the_last_id_and_every_unseen_character():
    tokenizer = character_tokenizer("ab", unk=True)
    assert tokenizer.vocab_size == 3
    assert tokenizer.piece(2) == UNK
    assert tokenizer.encode("aéb😀").tolist() == [0, 2, 1, 2]
    assert tokenizer.decode([0, 2]) == f"a{UNK}"


def test_text_that_spells_a_special_token_stays_text():
    tokenizer = character_tokenizer(UNK, unk=True)
    assert tokenizer.vocab_size - 1 not in tokenizer.encode(UNK)


@pytest.mark.parametrize("unk", [False, True])
def test_lone_surrogate_is_an_error_that_says_so(unk):
    with pytest.raises(UnseenCharacterError, match=r"U\+D800.*not valid Unicode"):
        character_tokenizer("ab", unk).encode("a\ud800")


def test_empty_text_has_no_ids():
    tokenizer = character_tokenizer("ab")
    assert tokenizer.encode("").tolist() == []
    assert tokenizer.decode([]) == ""


@pytest.mark.parametrize("number", [-1, 2, 2**70])
def test_id_outside_the_vocabulary_is_refused(number):
    with pytest.raises(UsageError, match="ids are 0 to 1"):
        character_tokenizer("ab").decode([0, number])


def test_one_megabyte_takes_milliseconds():
    tokenizer = character_tokenizer("abcdefghij")
    text = "abcdefghij" * 100_000
    begun = time.perf_counter()
    tokenizer.encode(text)
    assert time.perf_counter() - begun < 0.5  # the library takes seconds


def test_same_tokenizer_is_written_the_same():
    assert character_tokenizer("ba").to_json() == character_tokenizer("ab").to_json()


@pytest.mark.parametrize("unk", [False, True])
def test_identity_and_ids_survive_transformers(tmp_path, unk):
    transformers = pytest.importorskip("transformers")
    tokenizer = character_tokenizer(ODD, unk)
    (tmp_path / "tokenizer.json").write_text(tokenizer.to_json(), encoding="utf-8")
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps(
            {
                "tokenizer_class": "PreTrainedTokenizerFast",
                "clean_up_tokenization_spaces": False,
                "bos_token": None,
                "eos_token": None,
            }
        )
    )
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert theirs.encode(ODD) == tokenizer.encode(ODD).tolist()
    theirs.save_pretrained(tmp_path / "saved")
    again = Tokenizer.load(tmp_path / "saved")
    assert (tmp_path / "saved" / "tokenizer.json").read_text() != tokenizer.to_json()
    assert again.identity == tokenizer.identity


def test_identity_tells_tokenizers_apart():
    others = [character_tokenizer("ab"), character_tokenizer("ac"), character_tokenizer("ab", True)]
    assert len({tokenizer.identity for tokenizer in others}) == 3


def test_identity_of_a_known_tokenizer_never_changes():
    # Datasets and runs on disk carry it: a new version must compute the same.
    expected = "1a8d6a93626333d1834badf443be09d028988d3ea748b35b77412216ff7adf7f"
    assert character_tokenizer("ab").identity == expected


def byte_level(tmp_path: Path) -> Tokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {piece: number for number, piece in enumerate([*alphabet, "th", "the"])}
    inner = tokenizers.Tokenizer(models.BPE(vocabulary, [("t", "h"), ("th", "e")]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    inner.enable_truncation(2)
    inner.save(str(tmp_path / "tokenizer.json"))
    return Tokenizer.load(tmp_path)


@given(text=any_text)
def test_other_kinds_go_through_the_library(tmp_path_factory, text):
    tokenizer = byte_level(tmp_path_factory.mktemp("bpe"))
    assert (tokenizer.kind, tokenizer.vocab_size) == ("bpe", 258)
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_truncation_in_the_file_does_not_cut_texts(tmp_path):
    assert len(byte_level(tmp_path).encode("the the the the")) > 2


def test_missing_tokenizer_is_a_usage_error(tmp_path):
    for path in (tmp_path, tmp_path / "none.json", tmp_path / "none" / "deeper"):
        with pytest.raises(UsageError, match="no tokenizer at"):
            Tokenizer.load(path)


def changed(**parts) -> str:
    content = json.loads(character_tokenizer("ab").to_json())
    content["model"].update(parts.pop("model", {}))
    return json.dumps({**content, **parts})


HOSTILE = {
    "empty": "",
    "truncated": character_tokenizer("ab").to_json()[:-20],
    "a list": "[]",
    "deep": "[" * 100_000,
    "duplicate id": changed(model={"vocab": {"a": 0, "b": 0}}),
    "gap": changed(model={"vocab": {"a": 0, "b": 4_000_000_000}}),
    "negative id": changed(model={"vocab": {"a": -1}}),
    "no vocabulary": changed(model={"vocab": {}}),
    "panics in the library": changed(
        normalizer={"type": "Precompiled", "precompiled_charsmap": "AAAA"}
    ),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_damaged_tokenizer_is_one_line(tmp_path, capfd, text):
    file = tmp_path / "tokenizer.json"
    file.write_text(text)
    with pytest.raises(CheckpointError) as caught:
        Tokenizer.load(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_binary_tokenizer_is_refused(tmp_path):
    (tmp_path / "tokenizer.json").write_bytes(b"\x80\x04pickle")
    with pytest.raises(CheckpointError, match="not UTF-8 at byte 0"):
        Tokenizer.load(tmp_path)


def special(*names: str) -> Tokenizer:
    inner = library(character_tokenizer("ab"))
    inner.add_special_tokens(list(names))
    return Tokenizer(inner)


def test_special_tokens_come_after_the_characters():
    tokenizer = character_tokenizer("ab", unk=True, special_tokens=["<eos>", "<pad>"])
    assert [tokenizer.piece(number) for number in range(5)] == ["a", "b", UNK, "<eos>", "<pad>"]
    assert tokenizer.special_tokens == {"<eos>": 3, "<pad>": 4}
    assert tokenizer.encode("a<eos>").tolist() == [0, *[2] * 5]
    assert tokenizer.kind == "char"


def test_a_special_token_of_one_character_is_not_that_character():
    tokenizer = special("c", "b")
    assert tokenizer.encode("ab").tolist() == library(tokenizer).encode("ab").ids == [0, 1]
    with pytest.raises(UnseenCharacterError):
        tokenizer.encode("c")


@pytest.mark.parametrize(
    ("names", "end"),
    [
        ((), None),
        (("<pad>",), None),
        (("<|im_end|>", "</s>"), "</s>"),
        (("</s>", "<|endoftext|>"), "<|endoftext|>"),
        (("<eos>", "<|end_of_text|>"), "<|end_of_text|>"),
    ],
)
def test_the_end_of_text_is_the_best_known_name(names, end):
    tokenizer = special(*names)
    assert tokenizer.end_of_text == (tokenizer.special_tokens[end] if end else None)


def test_an_end_of_text_that_a_text_can_become_is_none():
    inner = library(character_tokenizer("ab"))
    inner.add_tokens(["<|endoftext|>"])
    tokenizer = Tokenizer(inner)
    assert tokenizer.end_of_text is None
    assert tokenizer.special_tokens == {}
    assert tokenizer.encode("a<|endoftext|>").tolist() == [0, 2]


def loaded(model, pre_tokenizer=None) -> Tokenizer:
    inner = tokenizers.Tokenizer(model)
    if pre_tokenizer:
        inner.pre_tokenizer = pre_tokenizer
        inner.decoder = decoders.ByteLevel()
    return Tokenizer.from_json(inner.to_str())


BYTES = {letter: number for number, letter in enumerate(pre_tokenizers.ByteLevel.alphabet())}
BYTE_LEVEL = pre_tokenizers.ByteLevel(add_prefix_space=False)
KINDS = {
    "word": loaded(models.WordLevel({"the": 0, "<unk>": 1}, "<unk>")),
    "wordpiece": loaded(models.WordPiece({"the": 0, "[UNK]": 1}, unk_token="[UNK]")),
    "unigram": loaded(models.Unigram([("<unk>", 0.0), ("the", -1.0)], 0, False)),
    "bpe": loaded(models.BPE({**BYTES, "th": 256}, [("t", "h")]), BYTE_LEVEL),
    "byte": loaded(models.BPE(BYTES, []), BYTE_LEVEL),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_of_a_loaded_tokenizer_is_named_as_those_that_are_made(kind):
    assert KINDS[kind].kind == kind


def test_a_space_put_before_the_text_makes_it_more_than_bytes():
    assert loaded(models.BPE(BYTES, []), pre_tokenizers.ByteLevel()).kind == "bpe"


@given(texts=st.lists(any_text, max_size=4))
def test_a_batch_has_the_ids_of_each(texts):
    assert KINDS["bpe"].encode_batch(texts) == [
        KINDS["bpe"].encode(text).tolist() for text in texts
    ]


def test_a_split_that_gives_up_on_a_text_is_a_data_error():
    slow = pre_tokenizers.Split(tokenizers.Regex("(a+)+$"), "isolated")  # the library panics
    tokenizer = loaded(models.BPE(BYTES, []), pre_tokenizers.Sequence([slow, BYTE_LEVEL]))
    for encode in (tokenizer.encode, lambda text: tokenizer.encode_batch([text])):
        with pytest.raises(DataError, match="cannot encode this text"):
            encode("a" * 40 + "b")


def test_a_decoder_that_gives_up_is_an_error_of_the_tokenizer(capfd):
    content = json.loads(KINDS["bpe"].to_json())
    strip = {"type": "Strip", "content": "a", "start": 1, "stop": 1}  # the library panics at "a"
    tokenizer = Tokenizer.from_json(json.dumps({**content, "decoder": strip}))
    with pytest.raises(CheckpointError, match="the tokenizer cannot decode its tokens"):
        tokenizer.decode([content["model"]["vocab"]["a"]])
    capfd.readouterr()  # the library's own message


def with_holes() -> Tokenizer:
    content = json.loads(KINDS["bpe"].to_json())
    content["model"]["vocab"] |= {"th": 300, "<|endoftext|>": 310}
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    end = {"id": 310, "content": "<|endoftext|>", **plain, "special": True}
    return Tokenizer.from_json(json.dumps({**content, "added_tokens": [end]}))


def test_ids_may_be_missing_as_for_transformers(tmp_path, capfd):
    transformers = pytest.importorskip("transformers")
    tokenizer = with_holes()
    (tmp_path / "tokenizer.json").write_text(tokenizer.to_json(), encoding="utf-8")
    theirs = transformers.PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "tokenizer.json"))
    text = "the moth hath that"
    assert tokenizer.encode(text).tolist() == theirs.encode(text, add_special_tokens=False)
    assert max(tokenizer.encode(text)) == 300
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert (tokenizer.vocab_size, tokenizer.end_of_text) == (311, 310)
    assert tokenizer.missing_ids == (*range(256, 300), *range(301, 310))
    assert tokenizer.decode([300, 299, 300]) == theirs.decode([300, 299, 300]) == "thth"
    assert tokenizer.piece(299) == "<id 299>"
    entries = list(Vocabulary(tokenizer))
    assert len(entries) == len(theirs) == 258
    assert [entry.number for entry in entries[-2:]] == [300, 310]
    assert list(Vocabulary(tokenizer).search("299")) == []
    assert Tokenizer.load(tmp_path).identity == tokenizer.identity
    assert capfd.readouterr() == ("", "")


def test_a_tokenizer_with_more_ids_than_the_model_refuses_those_alone():
    tokenizer = with_holes()
    assert tokenizer.for_model(311) is tokenizer
    limited = tokenizer.for_model(300)
    assert limited.encode("the cat"[1:]).tolist() == tokenizer.encode("he cat").tolist()
    assert (limited.vocab_size, limited.special_tokens, limited.end_of_text) == (300, {}, None)
    assert limited.identity == tokenizer.identity
    with pytest.raises(DataError, match=r"the token 'th' \(300\), and the model has ids up to 299"):
        limited.encode("the")
    with pytest.raises(UsageError, match="ids are 0 to 299"):
        limited.decode([300])
