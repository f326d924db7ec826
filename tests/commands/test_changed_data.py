"""A run is not measured, unless asked to, on data that has changed since it was trained on it."""

import json
from pathlib import Path

import pytest

MEASURED = {
    "eval": ("eval", "runs/input"),
    "step": ("eval", "runs/input/resume/step-00000020"),
    "given": ("eval", "runs/input", "--data", "./data/../data/input"),
    "train split": ("eval", "runs/input", "--split", "train"),
    "positions": ("eval", "runs/input", "--by", "position"),
    "per token": ("eval", "runs/input", "--per-token"),
    "int8": ("eval", "runs/input", "--quantize", "int8"),
    "compare": ("eval", "runs/other", "--data", "data/input", "--compare", "runs/input"),
    "attention": ("inspect-attention", "runs/input"),
}


@pytest.fixture
def changed(cli, trained: Path, tiny) -> Path:
    """A run whose data was prepared again with half of the text in val, and one of other data."""
    assert cli("prepare", "input.txt", "--out", "data/other", "--val-fraction", 0.2).code == 0
    assert cli("train", *tiny, "--max-iters", 2, "--data", "data/other").code == 0
    again = cli("prepare", "input.txt", "--overwrite", "--val-fraction", 0.5)
    assert again.code == 0, again.stderr
    return trained


def test_every_measurement_refuses_it_and_names_the_way_on(cli, changed: Path) -> None:
    for name, command in MEASURED.items():
        refused = cli(*command)
        assert (refused.code, refused.stdout) == (4, ""), name
        assert "data/input has changed since runs/input" in refused.stderr
        allowed = cli(*command, "--allow-changed-data", "--json" if "step" in name else "-q")
        assert allowed.code == 0, name
        assert allowed.stderr.count("data/input has changed since") == 1, name
    assert cli("train", "--resume", "runs/input", "--max-iters", 30).code == 4


def test_other_data_is_measured_on_as_asked(cli, changed: Path) -> None:
    other = cli("eval", "runs/input", "--data", "data/other", "--json")
    assert json.loads(other.stdout)["data"] == "data/other"
    assert "the text that runs/input was trained on, prepared differently" in other.stderr
    Path("new.txt").write_text("LINE 7:\nthe cats\n" * 40)
    Path("data/input").rename("data/moved")
    assert cli("prepare", "new.txt", "--tokenizer", "data/moved").code == 0
    new = cli("eval", "runs/input", "--data", "data/new")
    assert (new.code, "trained on" in new.stderr) == (0, False)


def test_the_same_data_made_again_is_the_same(cli, trained: Path) -> None:
    before = cli("eval", "--json").stdout
    assert cli("prepare", "input.txt", "--overwrite").code == 0
    again = cli("eval", "--json")
    assert (again.code, again.stdout) == (0, before)


@pytest.mark.parametrize("command", ["eval", "inspect-attention"])
def test_a_text_has_no_use_for_the_flag(cli, command: str) -> None:
    refused = cli(command, "--text", "a", "--allow-changed-data")
    assert refused.code == 2
    assert "--allow-changed-data has no effect with --text" in refused.stderr
