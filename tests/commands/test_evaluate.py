"""``eval``: figures that agree with each other and with training."""

import json
from pathlib import Path

import pytest


def test_eval_prints_figures_that_agree_with_each_other(cli, trained: Path, text) -> None:
    document = json.loads(cli("eval", "--json").stdout)
    assert document["tokens"] == len(text) - int(0.9 * len(text)) - 1
    assert document["bytes"] == document["characters"] == document["tokens"]
    assert document["bits_per_byte"] == pytest.approx(document["loss"] / 0.6931471805599453)
    assert cli("eval", "--json").stdout == cli("eval", "runs/input", "--json").stdout
    assert document == json.loads(cli("eval", "--json").stdout)
    table = cli("eval").stdout
    assert f"{document['loss']:.4f}" in table
    assert "context" in table


def test_eval_and_training_report_the_same_loss(cli, trained: Path) -> None:
    record = json.loads((trained / "runs/input/metrics.jsonl").read_text().strip().splitlines()[-1])
    document = json.loads(cli("eval", "runs/input/resume/step-00000020", "--json").stdout)
    assert document["loss"] == pytest.approx(record["val_loss"], abs=1e-6)


def test_eval_refuses_another_tokenizer_and_names_the_remedy(cli, trained: Path) -> None:
    (trained / "other.txt").write_text("another alphabet\n" * 100)
    cli("prepare", "other.txt")
    done = cli("eval", "runs/input", "--data", "data/other")
    assert done.code == 4
    assert "gptcli prepare TEXT --tokenizer runs/input" in done.stderr
