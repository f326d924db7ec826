"""``--ablate``: its figures are those of ``eval``, and every form has all heads."""

import csv
import json
from pathlib import Path

import pytest
import safetensors.torch
import torch

TEXT = "LINE 7:\nthe 7 cats ate 49 rats.\n\n" * 2


@pytest.fixture
def ablation(cli, trained):
    """A run with one layer of two heads, and the command on it."""
    return lambda *argv: cli("inspect-attention", "runs/input", "--ablate", "all", *argv)


@pytest.mark.parametrize("mode", ["zero", "mean"])
def test_the_loss_of_the_whole_model_is_that_of_eval(cli, ablation, mode):
    found = json.loads(ablation("--text", TEXT, "--mode", mode, "--json").stdout)
    expected = json.loads(cli("eval", "runs/input", "--text", TEXT, "--json").stdout)
    assert found["schema"] == "gptcli.ablation/1"
    assert (found["mode"], found["data"], found["context"]) == (mode, "--text", 16)
    assert found["loss"] == pytest.approx(expected["loss"], abs=1e-6)
    assert (found["tokens"], found["windows"]) == (len(TEXT) - 1, -(-(len(TEXT) - 1) // 16))
    assert {(head["layer"], head["head"]) for head in found["heads"]} == {(0, 0), (0, 1)}
    changes = [head["change"] for head in found["heads"]]
    assert changes == sorted(changes, reverse=True)
    for head in found["heads"]:
        assert head["loss"] == pytest.approx(found["loss"] + head["change"])
        assert head["standard_error"] > 0


def test_without_a_text_windows_of_the_validation_split_are_read(ablation):
    found = json.loads(ablation("--json").stdout)
    assert found["data"] == "data/input, val split"
    assert (found["windows"], found["tokens"]) == (64, 64 * 16)
    fewer = json.loads(ablation("--json", "--data", "data/input", "--samples", 5).stdout)
    assert (fewer["windows"], fewer["tokens"]) == (5, 5 * 16)


def test_ids_are_as_good_as_their_text(cli, ablation):
    ids = cli("tokenize", "--tokenizer", "runs/input", TEXT, "--format", "ids").stdout
    by_ids = json.loads(ablation("--ids", ids, "--json").stdout)
    assert by_ids["data"] == "--ids"
    assert by_ids["heads"] == json.loads(ablation("--text", TEXT, "--json").stdout)["heads"]


def test_every_form_has_the_same_heads(ablation):
    document = json.loads(ablation("--text", TEXT, "--json").stdout)
    table = ablation("--text", TEXT).stdout
    assert f"loss is {document['loss']:.4f} nats" in " ".join(table.split())
    rows = list(csv.DictReader(ablation("--text", TEXT, "--format", "csv").stdout.splitlines()))
    assert [{name: float(text) for name, text in row.items()} for row in rows] == document["heads"]
    markdown = ablation("--text", TEXT, "--format", "md").stdout
    for head in document["heads"]:
        name = f"L0.H{head['head']}"
        assert f"{name}  {head['change']:+.4f}" in table
        assert f"| {name} | {head['change']:+.4f} | {head['standard_error']:.4f} |" in markdown


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (("--ablate", "L1.H0", "--text", TEXT), 2, "--ablate L1.H0 is not in this model"),
        (("--ablate", "all,L0.H0", "--text", TEXT), 2, "--ablate 'all' is not a head"),
        (("--ablate", "all", "--text", "L"), 3, "there is nothing to predict: give more text"),
        (("--ablate", "all", "--heads", "L0.H0"), 2, "--heads has no effect with --ablate"),
        (("--ablate", "all", "--patterns", "--json"), 2, "--patterns has no effect with --ablate"),
        (("--ablate", "all", "--mode", "men"), 2, "(did you mean mean?)"),
        (("--mode", "zero", "--text", TEXT), 2, "--mode works only with --ablate"),
    ],
)
def test_mistakes_name_the_way_out(cli, trained, argv, code, words):
    outcome = cli("inspect-attention", "runs/input", "-q", *argv)
    assert (outcome.code, outcome.stdout) == (code, "")
    assert words in outcome.stderr
    assert outcome.stderr.count("\n") == 1


def test_a_table_has_no_heads_to_ablate(cli, prepared):
    argv = ("--preset", "lecture-bigram", "--max-iters", 2, "--out", "runs/table")
    assert cli("train", *argv).code == 0
    outcome = cli("inspect-attention", "runs/table", "--ablate", "all", "--text", TEXT)
    assert outcome.code == 2
    assert "runs/table is a bigram table without attention" in outcome.stderr


def test_weights_that_are_not_finite_are_refused_by_name(ablation, trained: Path) -> None:
    file = trained / "runs/input/model.safetensors"
    tensors = safetensors.torch.load_file(file)
    tensors["transformer.h.0.attn.c_attn.weight"][0, 0] = torch.nan
    safetensors.torch.save_file(tensors, file, {"format": "pt"})
    done = ablation("--text", TEXT)
    assert (done.code, done.stdout) == (4, "")
    assert "attention" in done.stderr and "not finite" in done.stderr
