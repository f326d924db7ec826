"""``train`` and ``eval`` on data in which only completions count."""

import json
import math
import random

import pytest


@pytest.fixture
def sums(masked_dataset) -> None:
    pairs = [(f"{a}+{b}=", f"{a + b}\n") for a in range(30) for b in range(10)]
    random.Random(0).shuffle(pairs)
    masked_dataset(pairs[30:], pairs[:30])


def test_train_and_eval_agree_and_say_what_counts(cli, sums, tiny, tmp_path) -> None:
    done = cli("train", *tiny, "--max-iters", 20, "--eval-interval", 10)
    assert done.code == 0, done.stderr
    lines = (tmp_path / "runs/masked/metrics.jsonl").read_text().splitlines()
    document = json.loads(cli("eval", "runs/masked/resume/step-00000020", "--json").stdout)
    assert document["loss"] == pytest.approx(json.loads(lines[-1])["val_loss"], abs=1e-6)
    record = json.loads((tmp_path / "data/masked/dataset.json").read_text())
    assert document["tokens"] == record["splits"]["val"]["targets"]
    assert document["masked"] is True
    assert document["bytes"] == document["characters"] == document["tokens"]  # of completions
    assert document["bits_per_byte"] == pytest.approx(document["loss"] / math.log(2))
    assert "only completions count" in cli("eval").stdout


def test_eval_of_a_split_without_targets_is_refused(cli, masked_dataset, tiny) -> None:
    masked_dataset([("ab=", "ba\n")] * 20, [("ab=", "")])
    assert cli("train", *tiny, "--max-iters", 2).code == 0
    done = cli("eval")
    assert done.code == 3
    assert "nothing to predict" in done.stderr
