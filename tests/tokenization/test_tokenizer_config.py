"""What stands beside a vocabulary is read: tokens, the end of text, and how text is split."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gptcli.data.chat.chat_template import ChatTemplate, Message
from gptcli.errors import CheckpointError, UsageError
from gptcli.tokenization.byte_level import byte_letters
from gptcli.tokenization.loading import load_tokenizer
from gptcli.tokenization.tokenizer import Tokenizer, write_tokenizer
from gptcli.tokenization.tokenizer_config import TokenizerConfig
from gptcli.tokenization.trainer import character_tokenizer

MERGES = "#version: 0.2\nt h\nth e\nĠ the\n1 2\n"
ENTRIES = [*byte_letters(), "th", "the", "Ġthe", "12"]
N = len(ENTRIES)
TEXT = "the e\u0301tude, it'S 1234\n\n  <|im_end|> end"
DEEPSEEK = "<\uff5cend\u2581of\u2581sentence\uff5c>"


def special(name: str) -> dict[str, Any]:
    flags = dict.fromkeys(("lstrip", "rstrip", "normalized", "single_word"), False)
    return {"content": name, **flags, "special": True}


def two_files(directory: Path, **settings: object) -> Path:
    directory.mkdir(exist_ok=True)
    vocabulary = {name: number for number, name in enumerate(ENTRIES)}
    (directory / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    (directory / "merges.txt").write_text(MERGES, encoding="utf-8")
    return beside(directory, "tokenizer_config.json", settings)


def characters(directory: Path, *specials: str) -> Path:
    directory.mkdir(exist_ok=True)
    tokenizer = character_tokenizer("abc", special_tokens=specials)
    (directory / "tokenizer.json").write_text(tokenizer.to_json(), encoding="utf-8")
    return directory


def beside(directory: Path, name: str, content: object) -> Path:
    if content:
        (directory / name).write_text(json.dumps(content), encoding="utf-8")
    return directory


@pytest.mark.parametrize("maker", ["Qwen2Tokenizer", "GPT2Tokenizer"])
@pytest.mark.parametrize("has_decoder", [True, False])
def test_two_files_give_the_ids_of_the_class_that_stands_beside_them(tmp_path, maker, has_decoder):
    transformers = pytest.importorskip("transformers")
    added = {"<|endoftext|>": N, "<|im_start|>": N + 1, "<|im_end|>": N + 2}
    listed = {str(number): special(name) for name, number in added.items()}
    more = {"added_tokens_decoder": listed} if has_decoder else {}
    roles = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    roles["additional_special_tokens"] = ["<|im_start|>"]
    directory = two_files(tmp_path, tokenizer_class=maker, **roles, **more)
    beside(directory, "added_tokens.json", added)
    beside(directory, "special_tokens_map.json", roles)
    beside(directory, "config.json", {"model_type": maker.removesuffix("Tokenizer").lower()})
    theirs = transformers.AutoTokenizer.from_pretrained(directory, split_special_tokens=True)
    ours = load_tokenizer(directory)
    assert ours.special_tokens == added
    assert ours.vocab_size == N + 3
    assert ours.encode(TEXT).tolist() == theirs.encode(TEXT, add_special_tokens=False)
    assert ours.decode([N + 2, 71]) == theirs.decode([N + 2, 71])


@pytest.mark.parametrize(
    ("files", "settings"),
    [
        ({"tokenizer_config.json": {"tokenizer_class": "RobertaTokenizer"}}, {}),
        ({"tokenizer_config.json": {"tokenizer_class": "LEDTokenizerFast"}}, {}),
        ({"config.json": {"model_type": "longformer"}}, {}),
        ({"config.json": {"model_type": "bart"}}, {"cls_token": "[CLS]", "add_bos_token": False}),
        ({"config.json": {"model_type": "deberta"}}, {"add_prefix_space": True}),
        ({"config.json": {"model_type": "blenderbot"}}, {}),
        ({"config.json": {"model_type": "blenderbot"}}, {"add_prefix_space": False}),
        ({"config.json": {"model_type": "gpt2"}}, {"add_bos_token": True}),
    ],
)
def test_a_class_puts_its_tokens_around_the_text_of_two_files(tmp_path, files, settings):
    transformers = pytest.importorskip("transformers")
    names = ("<s>", "</s>", "<pad>", "<unk>", "<mask>", "<|endoftext|>")
    listed = [*names, *(f"[{name}]" for name in ("CLS", "SEP", "PAD", "UNK", "MASK"))]
    vocabulary = {name: number for number, name in enumerate([*ENTRIES, *listed])}
    beside(two_files(tmp_path), "vocab.json", vocabulary)
    for name, content in files.items():
        beside(tmp_path, name, content)
    if settings:
        beside(tmp_path, "tokenizer_config.json", settings)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    ours = load_tokenizer(tmp_path).encode("the 12", add_special_tokens=True)
    assert ours.tolist() == theirs("the 12").input_ids


def test_without_a_class_the_type_of_the_model_tells_the_split(tmp_path):
    qwen = load_tokenizer(two_files(tmp_path / "a", tokenizer_class="Qwen2TokenizerFast"))
    directory = beside(two_files(tmp_path / "b"), "config.json", {"model_type": "qwen3"})
    assert load_tokenizer(directory).identity == qwen.identity
    gpt2 = load_tokenizer(two_files(tmp_path / "c"))
    assert gpt2.identity != qwen.identity


def test_a_split_that_nobody_tells_is_asked_for(tmp_path):
    directory = two_files(tmp_path, tokenizer_class="TheirTokenizer")
    with pytest.raises(UsageError, match=r"TheirTokenizer\) does not say.*--pattern"):
        load_tokenizer(directory)
    assert load_tokenizer(directory, "gpt2").encode("12").tolist() == [N - 1]
    assert load_tokenizer(directory, "qwen2").encode("12").tolist() == [
        ENTRIES.index(digit) for digit in "12"
    ]


def test_tokens_beside_a_tokenizer_json_are_added_once(tmp_path):
    directory = characters(tmp_path, "<s>")
    bare = load_tokenizer(directory)
    beside(directory, "tokenizer_config.json", {"added_tokens_decoder": {"3": special("<s>")}})
    assert load_tokenizer(directory).identity == bare.identity
    beside(directory, "added_tokens.json", {"<call>": 4, "<end>": 5})
    beside(directory, "special_tokens_map.json", {"eos_token": {"content": "<end>"}})
    tokenizer = load_tokenizer(directory)
    assert tokenizer.special_tokens == {"<s>": 3, "<end>": 5}
    assert tokenizer.end_of_text == 5
    assert tokenizer.vocab_size == 6
    assert tokenizer.has_identity(bare.identity) and not bare.has_identity(tokenizer.identity)


@pytest.mark.parametrize(
    ("specials", "name", "content", "end"),
    [
        (("[EOS]",), "", {}, "[EOS]"),
        (("<pad>", DEEPSEEK), "", {}, DEEPSEEK),
        (("<begin>", "<fin>"), "tokenizer_config.json", {"eos_token": "<fin>"}, "<fin>"),
        (("<begin>", "<fin>"), "special_tokens_map.json", {"eos_token": "<fin>"}, "<fin>"),
        (("<begin>", "<fin>"), "config.json", {"eos_token_id": 4}, "<fin>"),
        (("<begin>", "<fin>"), "config.json", {"eos_token_id": [9, 4]}, "<fin>"),
        (("<begin>", "<fin>"), "config.json", {"eos_token_id": 0}, None),  # a letter
        (("<fin>", "</s>"), "tokenizer_config.json", {"eos_token": "<fin>"}, "<fin>"),
        (("<fin>", "</s>"), "config.json", {"eos_token_id": 3}, "<fin>"),
        (("<fin>", "</s>"), "generation_config.json", {"eos_token_id": [3]}, "<fin>"),
        (("<fin>", "</s>"), "dataset.json", {"eos_token_id": 3}, "</s>"),  # an earlier dataset
        (("<pad>",), "tokenizer_config.json", {"eos_token": None}, None),
    ],
)
def test_the_end_of_text_is_found_under_any_name_and_is_kept(
    tmp_path, specials, name, content, end
):
    directory = beside(characters(tmp_path / "a", *specials), name, content)
    tokenizer = load_tokenizer(directory)
    assert tokenizer.end_of_text == (None if end is None else tokenizer.special_tokens[end])
    (tmp_path / "b").mkdir()
    write_tokenizer(tmp_path / "b", tokenizer)
    again = Tokenizer.load(tmp_path / "b")
    assert (again.end_of_text, again.identity) == (tokenizer.end_of_text, tokenizer.identity)


DAMAGED = {
    "tokenizer_config.json": ("{", "tokenizer_config.json cannot be used"),
    "added_tokens.json": ('{"<x>": "1"}', "added_tokens.json: the id of '<x>' is not a number"),
    "special_tokens_map.json": ("[]", "special_tokens_map.json cannot be used"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_named(tmp_path, name):
    content, said = DAMAGED[name]
    (characters(tmp_path) / name).write_text(content)
    with pytest.raises(CheckpointError, match=said):
        load_tokenizer(tmp_path)


def test_an_id_that_is_taken_is_named(tmp_path):
    directory = beside(characters(tmp_path), "added_tokens.json", {"<x>": 1})
    with pytest.raises(CheckpointError, match=r"'<x>' beside it has the id 1, .*'b'"):
        load_tokenizer(directory)


def test_ids_after_a_gap_are_given_as_they_are(tmp_path):
    directory = two_files(tmp_path, tokenizer_class="GPT2Tokenizer", eos_token="<end>")
    beside(directory, "added_tokens.json", {"<end>": N + 10})
    tokenizer = load_tokenizer(directory)
    assert tokenizer.end_of_text == N + 10
    assert tokenizer.missing_ids == tuple(range(N, N + 10))


def test_documents_end_by_the_configured_token_also_in_shares_and_in_runs(cli, tmp_path):
    directory = characters(tmp_path / "tok", "<begin>", "<fin>")
    for number in range(40):
        (tmp_path / f"{number}.txt").write_text("a" * number + "bc")
    files = [f"{number}.txt" for number in range(40)]
    by_document = ("--split-by", "document", "--val-fraction", 0.2)
    bare = cli("prepare", *files, *by_document, "--tokenizer", "tok", "--out", "none")
    assert "nothing separates the 40 documents, so a model never learns to end" in bare.stderr
    beside(directory, "tokenizer_config.json", {"eos_token": "<fin>"})
    asked = ("prepare", *files, *by_document, "--tokenizer", "tok")
    whole = cli(*asked, "--out", "whole")
    assert "nothing separates" not in whole.stderr
    for flags in ((*asked, "--plan"), ("prepare", "--shard", "0/1"), ("prepare", "--merge")):
        assert cli(*flags, "--out", "shared").code == 0
    assert cli(*asked, "--out", "shared", "--overwrite").code == 0
    for name in ("whole", "shared"):
        splits = [tmp_path / name / split / "part-00000.bin" for split in ("train", "val")]
        ids = np.concatenate([np.fromfile(file, dtype="<u2") for file in splits])
        assert int((ids == 4).sum()) == 40
        assert Tokenizer.load(tmp_path / name).end_of_text == 4
    sizes = ("--n-layer", 1, "--n-head", 1, "--n-embd", 4, "--block-size", 4, "--max-iters", 1)
    assert cli("train", "--data", "whole", *sizes, "--batch-size", 2).code == 0
    assert load_tokenizer(tmp_path / "runs/whole").end_of_text == 4


@pytest.mark.parametrize("number", [-1, 2**31 - 1, 2**63, 2**70])
def test_an_id_that_no_token_can_have_is_refused(tmp_path, number):
    directory = beside(characters(tmp_path), "added_tokens.json", {"<x>": number})
    with pytest.raises(CheckpointError, match="id of '<x>' is not a number of a token"):
        load_tokenizer(directory)


@pytest.mark.parametrize("maker", ["Qwen2Tokenizer", "GPT2Tokenizer"])
def test_a_space_before_words_is_added_as_transformers_does(tmp_path, maker):
    transformers = pytest.importorskip("transformers")
    directory = two_files(tmp_path, tokenizer_class=maker, add_prefix_space=True)
    theirs = transformers.AutoTokenizer.from_pretrained(directory)
    ours = load_tokenizer(directory).encode(TEXT.replace("<|im_end|>", ""))
    assert ours.tolist() == theirs.encode(TEXT.replace("<|im_end|>", ""), add_special_tokens=False)


@pytest.mark.parametrize(
    ("files", "template"),
    [
        ({"chat_template.jinja": "a\n"}, "a\n"),
        ({"tokenizer_config.json": {"chat_template": "b"}}, "b"),
        ({"chat_template.jinja": "a", "tokenizer_config.json": {"chat_template": "b"}}, "a"),
        (
            {
                "tokenizer_config.json": {
                    "chat_template": [
                        {"name": "tool_use", "template": "c"},
                        {"name": "default", "template": "d"},
                    ]
                }
            },
            "d",
        ),
        ({"tokenizer_config.json": {"chat_template": {"default": "d"}}}, None),
        ({"tokenizer_config.json": {}}, None),
    ],
)
def test_the_chat_template_is_where_makers_put_it(tmp_path, files, template):
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (tmp_path / name).write_bytes(text.encode())
    assert TokenizerConfig.read(tmp_path).chat_template == template


def test_tokens_that_a_chat_template_names_by_their_role_are_set_in_it(tmp_path):
    settings = {
        "bos_token": {"content": "<s>"},
        "eos_token": "</s>",
        "pad_token": "<pad>",
        "chat_template": "{{ bos_token }}{{ messages[0].content + eos_token }}",
    }
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    template = TokenizerConfig.read(tmp_path).chat_template
    assert template is not None
    assert "pad_token" not in template
    parts = ChatTemplate(template, ("<s>", "</s>")).render([Message("user", "hi")])
    assert [part.text for part in parts] == ["<s>", "hi", "</s>"]
