"""A word in another place than its own is taken for what it names, which a note says."""

import json
from pathlib import Path

import pytest

from gptcli.commands.train.command import TrainRequest
from gptcli.commands.word_meaning import looks_like_file
from gptcli.families.registry import PRESETS, family_of


@pytest.fixture
def here(cli, tmp_path: Path) -> Path:
    """A text, a dataset and the description of a run, all named ``input``."""
    (tmp_path / "input.txt").write_text("to be or not to be\n" * 40)
    assert cli("prepare", "input.txt").code == 0
    run = tmp_path / "runs" / "input"
    run.mkdir(parents=True)
    sizes = {"n_layer": 1, "n_head": 2, "n_embd": 8, "n_positions": 8, "vocab_size": 9}
    (run / "config.json").write_text(json.dumps({"model_type": "gpt2", **sizes}))
    return tmp_path


@pytest.mark.parametrize(
    ("argv", "taken"),
    [
        (("tokenize", "input.txt", "--ids"), "input.txt is a file: taken as --file"),
        (("count-params", "gpt2"), "gpt2 is a preset: taken as --preset"),
        (("count-params", "input"), "model: runs/input"),
        (("count-params", "runs/input/config.json"), "is a file: taken as --model-config"),
        (("eval", "data/input"), "data/input is a dataset: taken as --data"),
        (("eval", "input.txt"), "input.txt is a file: taken as --file"),
        (("sample", "input.txt"), "input.txt is a file: taken as --prompt-file"),
        (("inspect-attention", "input.txt"), "input.txt is a file: taken as --file"),
    ],
)
def test_what_is_here_is_taken_as_such(cli, here: Path, argv, taken: str) -> None:
    assert taken in cli(*argv).stderr


def test_train_takes_a_dataset_or_a_preset(here: Path, capsys) -> None:
    assert TrainRequest(dataset="input").understood() == TrainRequest(data=Path("data/input"))
    preset = next(name for name, one in PRESETS.items() if family_of(one.model).name == "llama")
    word = TrainRequest(dataset=preset, n_kv_head=1, n_head=2).understood()
    assert word == TrainRequest(preset=preset, n_kv_head=1, n_head=2)
    assert capsys.readouterr().err.splitlines() == [
        "data: data/input",
        f"{preset} is a preset: taken as --preset",
    ]


def test_a_file_gives_the_tokens_of_its_text_and_a_literal_its_own(cli, here: Path) -> None:
    text = (here / "input.txt").read_text()
    as_file = cli("tokenize", "input.txt", "--ids", "--tokenizer", "byte").stdout
    assert as_file.split() == [str(byte) for byte in text.encode()]
    literal = cli("tokenize", "--text", "input.txt", "--ids", "--tokenizer", "byte").stdout
    assert literal.split() == [str(byte) for byte in b"input.txt"]


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("sample", "ROMEO:"), "for a text, gptcli sample --prompt ROMEO:"),
        (("sample", "To be"), "for a text, gptcli sample --prompt 'To be'"),
        (("eval", "To be"), "for a text, gptcli eval --text 'To be'"),
        (("inspect-attention", "a b"), "for a text, gptcli inspect-attention --text 'a b'"),
        (("sample", "inptu.txt"), "inptu.txt does not exist: check the path"),
        (("sample", "--prompt", "inptu.txt"), "give --prompt-file inptu.txt"),
        (("sample", "--prompt", "input.txt"), "give --prompt-file input.txt"),
        (("sample", "data/input"), "data/input is a dataset: give a run, such as runs/input"),
        (("eval", "--text", "input.txt"), "give --file input.txt"),
        (("eval", "--text", "./inptu"), "give --file ./inptu"),
        (("eval", "--text", "-"), "--file - reads stdin"),
        (("inspect-attention", "--text", "input.txt"), "give --file input.txt"),
        (("tokenize", "inptu.txt"), "for a text, gptcli tokenize --text inptu.txt"),
        (("tokenize", "data/input"), "gptcli tokenize --tokenizer data/input TEXT"),
        (("train", "input.txt"), "gptcli prepare input.txt, then gptcli train"),
        (("train", "runs/input"), "gptcli train --resume runs/input continues"),
        (("train", "inptu"), "'inptu' is no dataset or preset that is here"),
        (("train", "input", "--data", "data/input"), "DATASET and --data cannot be combined"),
        (("count-params", "data/input"), "data/input is a dataset"),
        (("count-params", "nope.json"), "nope.json does not exist"),
        (("count-params", "input.txt"), "input.txt is not a config.json"),
    ],
)
def test_what_cannot_be_meant_is_an_error_with_the_way(cli, here: Path, argv, words: str) -> None:
    done = cli(*argv)
    assert (done.code, done.stdout) == (2, "")
    assert words in done.stderr.splitlines()[-1]


def test_a_word_that_may_be_on_the_hub_gets_both_ways(cli, here: Path) -> None:
    assert "for a text, gptcli sample --prompt ROMEO" in cli("sample", "ROMEO").stderr
    assert "did you mean --preset gpt2?" in cli("count-params", "gtp2").stderr


def test_texts_are_told_from_paths() -> None:
    files = ("a.txt", "./a", "../a", "/a", "~/a", "data/a.jsonl", "A.MD")
    texts = ("", "ROMEO:", "and/or", "e.g.", "read a.txt", "1.5", "gpt2", "a.b", "hello.")
    assert [name for name in files if not looks_like_file(name)] == []
    assert [text for text in texts if looks_like_file(text)] == []
