"""The identity tells what a tokenizer does, however its files are written."""

import json

import pytest

from gptcli.tokenization.byte_level import byte_letters
from gptcli.tokenization.identity import former_identity
from gptcli.tokenization.loading import load_tokenizer
from gptcli.tokenization.tokenizer import Tokenizer

MERGES = (("h", "e"), ("l", "l"), ("he", "ll"), ("Ġ", "a"))
VOCABULARY = {
    piece: number
    for number, piece in enumerate(
        (*sorted(byte_letters()), *(a + b for a, b in MERGES), "<|endoftext|>")
    )
}
END = {
    "id": len(VOCABULARY) - 1,
    "content": "<|endoftext|>",
    "single_word": False,
    "lstrip": False,
    "rstrip": False,
    "normalized": True,  # as the hub's file has it
    "special": True,
}
HUB = {
    "version": "1.0",
    "truncation": None,
    "padding": None,
    "added_tokens": [END],
    "normalizer": None,
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True},
    "post_processor": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False},
    "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True},
    "model": {
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": "",
        "end_of_word_suffix": "",
        "fuse_unk": False,
        "vocab": VOCABULARY,
        "merges": [f"{left} {right}" for left, right in MERGES],
    },
}


def hub(**changed):
    return Tokenizer.from_json(json.dumps(HUB | changed))


@pytest.fixture
def two_files(tmp_path):
    (tmp_path / "encoder.json").write_text(json.dumps(VOCABULARY), encoding="utf-8")
    lines = "".join(f"{left} {right}\n" for left, right in MERGES)
    (tmp_path / "vocab.bpe").write_text(f"#version: 0.2\n{lines}", encoding="utf-8")
    return load_tokenizer(tmp_path)


def test_the_hubs_gpt2_and_its_two_files_are_one_tokenizer(two_files):
    assert hub().identity == two_files.identity
    assert hub().encode("hello a").tolist() == two_files.encode("hello a").tolist()


def test_what_transformers_makes_of_the_two_files_is_the_same(two_files, tmp_path):
    transformers = pytest.importorskip("transformers")
    merges = [tuple(pair) for pair in MERGES]
    transformers.GPT2Tokenizer(vocab=VOCABULARY, merges=merges).save_pretrained(tmp_path / "saved")
    assert Tokenizer.load(tmp_path / "saved").identity == two_files.identity


@pytest.mark.parametrize(
    "changed",
    [
        {"normalizer": {"type": "NFC"}},
        {"decoder": None},
        {"pre_tokenizer": HUB["pre_tokenizer"] | {"add_prefix_space": True}},
        {"pre_tokenizer": HUB["pre_tokenizer"] | {"use_regex": False}},
        {"model": HUB["model"] | {"continuing_subword_prefix": "##", "merges": []}},
        {"model": HUB["model"] | {"merges": HUB["model"]["merges"][:2]}},
        {"added_tokens": [END | {"special": False}]},
    ],
)
def test_what_changes_ids_or_text_changes_the_identity(changed):
    assert hub(**changed).identity != hub().identity


def test_identities_of_earlier_versions_are_known():
    before = former_identity(hub().content)
    assert before != hub().identity
    assert hub().has_identity(before) and hub().has_identity(hub().identity)
    assert not hub(normalizer={"type": "NFC"}).has_identity(before)


def test_dropout_is_off_and_known_from_before():
    drawn = hub(model=HUB["model"] | {"dropout": 0.5})
    assert drawn.identity == hub().identity
    text = "hell" * 40
    assert {tuple(drawn.encode(text)) for _ in range(5)} == {tuple(hub().encode(text))}
    assert "dropout (0.5)" in drawn.notes[0] and hub().notes == ()
    assert json.loads(drawn.to_json())["model"]["dropout"] is None
    with_dropout = hub().content | {"model": hub().content["model"] | {"dropout": 0.5}}
    assert drawn.has_identity(former_identity(with_dropout))
    assert not hub().has_identity(former_identity(with_dropout))
