"""The tokens around a text are those that AutoTokenizer puts there, for every kind of file."""

import json
from pathlib import Path
from typing import Any

import pytest

from gptcli.errors import CheckpointError
from gptcli.tokenization.byte_level import byte_letters
from gptcli.tokenization.loading import load_tokenizer
from gptcli.tokenization.template import Template
from gptcli.tokenization.tokenizer import Tokenizer, write_tokenizer
from gptcli.tokenization.trainer import character_tokenizer

transformers = pytest.importorskip("transformers")
START, END, MORE = 3, 4, 5
NAMES = {START: "<s>", END: "</s>", MORE: "<more>"}


def template(*pieces: str) -> dict[str, Any]:
    ids = {name: number for number, name in NAMES.items()}
    return {
        "type": "TemplateProcessing",
        "single": [
            {"Sequence": {"id": "A", "type_id": 0}}
            if piece == "$A"
            else {"SpecialToken": {"id": piece, "type_id": 0}}
            for piece in pieces
        ],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {
            name: {"id": name, "ids": [ids[name]], "tokens": [name]}
            for name in pieces
            if name != "$A"
        },
    }


BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True}
PROCESSORS: dict[str, Any] = {
    "none": None,
    "byte level": BYTE_LEVEL,
    "start": template("<s>", "$A"),
    "start and end": template("<s>", "<more>", "$A", "</s>"),
    "end": template("$A", "</s>"),
    "roberta": {
        "type": "RobertaProcessing", "sep": ["</s>", END], "cls": ["<s>", START],
        "trim_offsets": True, "add_prefix_space": True,
    },
    "bert": {"type": "BertProcessing", "sep": ["</s>", END], "cls": ["<s>", START]},
    "nested": {
        "type": "Sequence",
        "processors": [BYTE_LEVEL, template("<s>", "<more>", "$A", "</s>")],
    },
}  # fmt: skip


def characters(directory: Path, processor: Any, **settings: object) -> Path:
    content = json.loads(character_tokenizer("abc", special_tokens=NAMES.values()).to_json())
    directory.mkdir(exist_ok=True)
    content["post_processor"] = processor
    (directory / "tokenizer.json").write_text(json.dumps(content))
    return beside(directory, settings)


def beside(directory: Path, settings: object) -> Path:
    (directory / "tokenizer_config.json").write_text(json.dumps(settings))
    (directory / "config.json").write_text(json.dumps({"model_type": "llama"}))
    return directory


def theirs(directory: Path, text: str) -> list[int]:
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory, local_files_only=True)
    ids: list[int] = tokenizer(text)["input_ids"]
    return ids


def ours(directory: Path, text: str) -> list[int]:
    return load_tokenizer(directory).encode(text, add_special_tokens=True).tolist()


@pytest.mark.parametrize("flags", [{}, {"add_bos_token": True, "add_eos_token": True}])
@pytest.mark.parametrize("kind", PROCESSORS)
def test_a_tokenizer_json_says_itself_what_is_around_a_text(tmp_path, kind, flags) -> None:
    names = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>"}
    directory = characters(tmp_path, PROCESSORS[kind], **names, **flags)
    assert ours(directory, "cab") == theirs(directory, "cab")
    assert (ours(directory, "cab") == [2, 0, 1]) == (kind in ("none", "byte level"))
    copy = Tokenizer.from_json(load_tokenizer(directory).to_json())
    assert copy.encode("cab", add_special_tokens=True).tolist() == theirs(directory, "cab")


@pytest.mark.parametrize("add_bos", [True, False, None])
@pytest.mark.parametrize("add_eos", [True, None])
@pytest.mark.parametrize("names", [{}, {"bos_token": "<s>", "eos_token": "</s>"}])
def test_two_files_and_a_sentencepiece_model_follow_the_flags(
    tmp_path, add_bos, add_eos, names
) -> None:
    flags = {"add_bos_token": add_bos, "add_eos_token": add_eos}
    given = names | {key: value for key, value in flags.items() if value is not None}
    for directory, maker in ((two_files(tmp_path / "two"), "GPT2"), (model(tmp_path), "Llama")):
        beside(directory, {"tokenizer_class": f"{maker}Tokenizer", **given})
        assert ours(directory, "cab cab") == theirs(directory, "cab cab"), maker
        special = 2 - [add_bos, add_eos].count(None) - [add_bos].count(False)
        tokenizer = load_tokenizer(directory)
        added = len(ours(directory, "cab")) - len(tokenizer.encode("cab"))
        assert added == special
        (tmp_path / maker).mkdir()
        write_tokenizer(tmp_path / maker, tokenizer)
        assert ours(tmp_path / maker, "cab") == ours(directory, "cab")


def two_files(directory: Path) -> Path:
    directory.mkdir()
    entries = [*byte_letters(), "<|endoftext|>", "<s>", "</s>"]
    numbered = json.dumps({name: number for number, name in enumerate(entries)})
    (directory / "vocab.json").write_text(numbered, encoding="utf-8")
    (directory / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    return directory


def model(parent: Path) -> Path:
    sentencepiece = pytest.importorskip("sentencepiece")
    directory = parent / "sp"
    directory.mkdir()
    with (directory / "tokenizer.model").open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(["cab abc bac"] * 9), model_writer=file, vocab_size=12,
            model_type="bpe", minloglevel=2, hard_vocab_limit=False, bos_id=1, eos_id=2,
        )  # fmt: skip
    return directory


def test_what_gptcli_wrote_without_a_template_is_read_without(tmp_path) -> None:
    directory = characters(tmp_path / "made", PROCESSORS["start"])
    tokenizer = load_tokenizer(directory)
    assert tokenizer.template == Template((START,))
    (directory / "train.json").write_text("{}")
    earlier = load_tokenizer(directory)
    assert earlier.template == Template() and earlier.is_bare
    assert earlier.identity == tokenizer.identity
    assert Tokenizer.from_json(earlier.to_json()).template == Template()
    write_tokenizer(directory, tokenizer)
    assert load_tokenizer(directory).template == Template((START,))


def test_a_smaller_model_gets_no_token_that_it_lacks(tmp_path) -> None:
    tokenizer = load_tokenizer(characters(tmp_path, PROCESSORS["start and end"]))
    assert tokenizer.for_model(END).template == Template((START,))


def test_special_tokens_within_a_text_are_refused() -> None:
    content = json.loads(character_tokenizer("abc", special_tokens=["<s>"]).to_json())
    text = {"Sequence": {"id": "A", "type_id": 0}}
    content["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [text, {"SpecialToken": {"id": "<s>", "type_id": 0}}, text],
        "pair": [text, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [3], "tokens": ["<s>"]}},
    }
    with pytest.raises(CheckpointError, match="puts special tokens within a text"):
        Tokenizer.from_json(json.dumps(content))


def test_an_id_of_the_template_that_no_token_has_is_said(tmp_path):
    processor = {"type": "BertProcessing", "sep": ["</s>", END], "cls": ["<s>", 9999]}
    tokenizer = load_tokenizer(characters(tmp_path, processor))
    assert tokenizer.template == Template((), (END,))
    (said,) = tokenizer.notes
    assert "puts the id 9,999 around a text, which no token has (they go up to 5)" in said
    assert not load_tokenizer(characters(tmp_path, PROCESSORS["bert"])).for_model(4).notes
