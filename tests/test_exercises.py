"""The lecture's exercises 2 and 3, on a small scale."""

import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
TINY = ("--n-layer", 1, "--n-head", 1, "--n-embd", 8, "--eval-batches", 1)


@pytest.fixture
def example(monkeypatch, cli) -> Callable[[str], tuple[dict[str, Any], list[tuple]]]:
    """``example(name)``: what is in an example, and the commands that it types, in this process."""
    monkeypatch.syspath_prepend(str(EXAMPLES))

    def load(name: str) -> tuple[dict[str, Any], list[tuple]]:
        found, typed = runpy.run_path(str(EXAMPLES / f"{name}.py")), []

        def gptcli(*words: object) -> str:
            typed.append(words)
            flags = TINY if words[0] == "train" and "--init-from" not in words else ()
            done = cli(*words, *flags)
            assert done.code == 0, done.stderr
            return done.stdout

        for one in (found["main"], found["made"]):
            monkeypatch.setitem(one.__globals__, "gptcli", gptcli)
        return found, typed

    return load


def test_sums_are_trained_in_both_orders_and_what_is_there_is_kept(example, capsys) -> None:
    addition, typed = example("addition")
    for times in (1, 2):
        addition["main"](["--digits", "1", "--max-iters", "1"])
        head, *rows = [line.split() for line in capsys.readouterr().out.splitlines()[-3:]]
        assert head[0] == "digits"
        assert [row[:2] for row in rows] == [["1", "plain"], ["1", "reversed"]]
        assert [words[0] for words in typed].count("train") == 2, f"pass {times}"
    assert "--reverse" in typed[3] and "--reverse" not in typed[0]
    for row in rows:
        run = json.loads(Path(f"addition/1-{row[1]}/train.json").read_text())
        assert run["training"]["max_iters"] == 1


def test_what_is_fine_tuned_is_compared_with_the_same_steps_from_scratch(
    example, cli, tmp_path: Path, monkeypatch, capsys
) -> None:
    exercise, typed = example("pretrain_and_finetune")
    monkeypatch.setitem(exercise["trained"].__globals__, "MODEL", ("--block-size", 16))
    (tmp_path / "large.txt").write_text("the cats ate the rats. " * 90)
    (tmp_path / "input.txt").write_text("a cat ate that rat; " * 60)
    assert cli("prepare", "large.txt", "--tokenizer", "byte", "--out", "finetuned/large").code == 0
    exercise["main"](["input.txt", "--pretraining", "4", "--steps", "2"])
    shown = capsys.readouterr().out
    runs = {Path(words[-1]).name: words for words in typed if words[0] == "train"}
    assert list(runs) == ["pretrained", "tuned", "scratch"]
    assert str(Path("finetuned/pretrained")) in runs["tuned"]
    steps = {name: words[words.index("--max-iters") + 1] for name, words in runs.items()}
    assert steps == {"pretrained": "4", "tuned": "2", "scratch": "2"}
    rates = {
        name: json.loads(Path(f"finetuned/{name}/train.json").read_text())["training"]["lr"]
        for name in runs
    }
    assert rates["tuned"] < rates["scratch"] / 5
    assert "Pre-training: train loss" in shown
    assert [line.split()[-1] for line in shown.splitlines() if line.startswith("from scratch")]
    assert shown.splitlines()[-1].endswith(".")


def test_the_answer_is_that_of_the_figures(example) -> None:
    exercise, _ = example("pretrain_and_finetune")
    words = exercise["answer"]
    assert "lower by 0.100" in words({"difference": -0.1, "standard_error": 0.01})
    assert "does not help" in words({"difference": 0.1, "standard_error": 0.01})
    assert words({"difference": 0.01, "standard_error": 0.01}).startswith("No difference")
