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


def test_a_stride_is_said_and_counts_each_token_once(cli, trained: Path) -> None:
    plain = json.loads(cli("eval", "--json").stdout)
    strided = json.loads(cli("eval", "--stride", 5, "--json").stdout)
    assert json.loads(cli("eval", "--stride", 16, "--json").stdout) == plain
    assert (plain["context"], plain["stride"], strided["stride"]) == (16, 16, 5)
    assert strided["tokens"] == plain["tokens"]
    assert strided["loss"] != plain["loss"]
    assert "each token is predicted from at least 11 before it" in cli("eval", "--stride", 5).stdout


@pytest.mark.parametrize("stride", [0, 17])
def test_a_stride_beyond_the_context_is_refused(cli, trained: Path, stride) -> None:
    done = cli("eval", "--stride", stride)
    assert done.code == 2
    assert "--stride" in done.stderr and f"{stride}" in done.stderr


def test_a_raw_text_is_measured_as_the_split_that_holds_it(cli, trained: Path, text) -> None:
    (trained / "val.txt").write_text(text[int(0.9 * len(text)) :])
    split, raw = (
        json.loads(cli("eval", *flags, "--json").stdout) for flags in ([], ["--file", "val.txt"])
    )
    differ = {name for name in split if split[name] != raw[name]}
    assert differ == {"data", "split"}
    piped = cli("eval", "--file", "-", "--json", stdin=(trained / "val.txt").read_bytes())
    assert json.loads(piped.stdout)["loss"] == raw["loss"]


def test_raw_text_that_cannot_be_measured_is_refused(cli, trained: Path) -> None:
    (trained / "odd.txt").write_text("LINE é\n")
    done = cli("eval", "--file", "odd.txt")
    assert done.code == 3
    assert "odd.txt: character 'é' (U+00E9) at offset 5" in done.stderr
    (trained / "one.txt").write_text("L")
    assert cli("eval", "--file", "one.txt").code == 3
    assert cli("eval", "--file", "nowhere.txt").code == 2
    assert cli("eval", "--file", "one.txt", "--data", "data/input").code == 2


def test_text_that_is_lost_earns_no_bits_per_byte(cli, trained: Path) -> None:
    sizes = ("--n-layer", 1, "--n-head", 1, "--n-embd", 8, "--block-size", 8, "--max-iters", 1)
    cli("prepare", "input.txt", "--tokenizer", "word", "--vocab-size", 6, "--out", "data/few")
    cli("train", "--data", "data/few", "--out", "runs/few", *sizes)
    done = cli("eval", "runs/few", "--json")
    document = json.loads(done.stdout)
    assert document["bits_per_byte"] is None and document["bits_per_character"] is None
    assert 0.3 < document["lost_share"] < 1
    assert f"{document['lost_share']:.2%} of the characters cannot be" in cli("eval").stdout
    models = json.loads(cli("eval", "runs/few", "--compare", "runs/few", "--json").stdout)["models"]
    assert [model["bits_per_byte"] for model in models] == [None, None]
    assert json.loads(cli("eval", "runs/input", "--json").stdout)["lost_share"] == 0
