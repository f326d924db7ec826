"""Which tokens are read, measured and shown, and in what numbers they are written."""

import json
import re

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from gptcli.generation.loaded_model import load_model
from gptcli.inspection.capture import record
from gptcli.inspection.metrics import COPY_SCORES
from gptcli.inspection.stage_names import STAGES
from gptcli.inspection.stages import stage_values

TEXT = "abc de\nfgh abc"


@pytest.fixture
def document(cli, model):
    def asked(*argv: object):
        outcome = cli("inspect-attention", model, "--json", *argv)
        assert outcome.code == 0, outcome.stderr
        return json.loads(outcome.stdout)

    return asked


@pytest.mark.parametrize("stage", STAGES)
def test_patterns_are_those_of_the_stage_and_minus_infinity_is_null(document, model, stage):
    found = document("--text", TEXT, "--patterns", "--stage", stage)
    loaded = load_model(model, "cpu")
    recording = record(loaded.model, [token["id"] for token in found["tokens"]])
    assert found["stage"] == stage
    for head in found["heads"]:
        whole = stage_values(loaded.model, recording, head["layer"], stage)[head["head"]]
        rows = [[-np.inf if value is None else value for value in row] for row in head["pattern"]]
        torch.testing.assert_close(torch.tensor(rows), whole)


def test_arrays_hold_what_the_document_holds(cli, model, document):
    argv = ("inspect-attention", model, "--text", TEXT, "--stage", "masked", "--out", "a.npz")
    assert cli(*argv).code == 0
    found = document("--text", TEXT, "--patterns", "--stage", "masked")
    with np.load("a.npz", allow_pickle=False) as arrays:
        assert arrays["patterns"].dtype == np.float32
        assert arrays["patterns"].shape == (3, 3, 14, 14)
        assert "".join(arrays["tokens"]) == TEXT
        assert arrays["ids"].tolist() == [token["id"] for token in found["tokens"]]
        assert str(arrays["stage"]) == "masked"
        for head in found["heads"]:
            place = head["layer"], head["head"]
            pattern = np.array(head["pattern"], float)
            np.testing.assert_array_equal(np.isnan(pattern), np.isneginf(arrays["patterns"][place]))
            np.testing.assert_allclose(
                np.nan_to_num(pattern, nan=-np.inf), arrays["patterns"][place], rtol=1e-6
            )
            for name, measured in head["metrics"].items():
                assert arrays[name][place] == measured["value"]
        assert {name: float(arrays[name]) for name in found["check"]} == found["check"]


def test_chosen_heads_are_named_in_the_arrays(cli, model):
    argv = ("inspect-attention", model, "--text", "abc", "--heads", "L2.H1,L0.H2")
    assert cli(*argv, "--out", "a.npz").code == 0
    assert cli("inspect-attention", model, "--text", "abc", "--out", "all.npz").code == 0
    with np.load("a.npz") as some, np.load("all.npz") as every:
        assert some["heads"].tolist() == [[0, 2], [2, 1]]
        for place, (layer, head) in enumerate(some["heads"]):
            assert (some["patterns"][place] == every["patterns"][layer, head]).all()
            assert some["self"][place] == every["self"][layer, head]


def test_a_window_measures_and_shows_its_rows_over_all_keys(document):
    whole = document("--text", TEXT, "--patterns")
    part = document("--text", TEXT, "--patterns", "--window", "5:9")
    assert [token["i"] for token in part["tokens"]] == [5, 6, 7, 8]
    assert part["tokens"] == whole["tokens"][5:9]
    for head, other in zip(part["heads"], whole["heads"], strict=True):
        weights = np.array(other["pattern"])
        np.testing.assert_allclose(head["pattern"], weights[5:9, 5:9], atol=1e-6)
        measured = head["metrics"]["first_token"]
        assert measured == {"value": pytest.approx(weights[5:9, 0].mean(), abs=1e-6), "rows": 4}
        query, key, weight = head["top"][0]
        assert weight == pytest.approx(weights[5:9, 5:9].max(), abs=1e-6)
        assert weight == pytest.approx(weights[query, key], abs=1e-6)


def test_a_window_of_a_long_text_is_read_with_what_comes_before_it(cli, model, document):
    text = ("abcdefgh" * 5)[:37]  # the context is 16
    found = document("--text", text, "--patterns", "--window", "18:22")
    alone = document("--text", text[6:22], "--patterns")
    assert [token["i"] for token in found["tokens"]] == [18, 19, 20, 21]
    assert "".join(token["text"] for token in found["tokens"]) == text[18:22]
    for head, other in zip(found["heads"], alone["heads"], strict=True):
        np.testing.assert_allclose(head["pattern"], np.array(other["pattern"])[12:, 12:], atol=1e-6)
    outcome = cli("inspect-attention", model, "--text", text, "--window", "18:22")
    told = outcome.stderr
    assert "reading 4 tokens from 18 on" in " ".join(outcome.stdout.split())
    assert "18 c" in outcome.stdout
    queries = re.findall(r"token (\d+) '(.)' looks at", outcome.stdout)
    assert queries and all(text[int(place)] == letter for place, letter in queries)
    assert {int(place) for place, _ in queries} <= {18, 19, 20, 21}
    assert "the model reads 6:22, up to the end of the window" in told
    assert "tokens 18 to 21 are measured and shown" in told


def test_ids_are_read_as_they_are(document):
    by_text = document("--text", "abc")
    ids = " ".join(str(token["id"]) for token in by_text["tokens"])
    assert document("--ids", ids)["heads"] == by_text["heads"]
    assert document("--ids", ids.replace(" ", ","))["heads"] == by_text["heads"]


def test_samples_are_means_over_windows_of_the_split(cli, model, tmp_path, document):
    (tmp_path / "input.txt").write_text("abcdefgh \nhgfabc cab" * 40, encoding="utf-8")
    tokenizer = ("--tokenizer", model / "tokenizer.json")
    assert cli("prepare", "input.txt", *tokenizer).code == 0
    found = document("--data", "data/input", "--samples", 3)
    split = ("abcdefgh \nhgfabc cab" * 40)[720:]
    texts = [split[start : start + 16] for start in (0, 32, 48)]
    alone = [document("--text", text) for text in texts]
    assert found["samples"] == 3
    assert found["tokens"] == alone[0]["tokens"]
    for place, head in enumerate(found["heads"]):
        assert head["top"] == alone[0]["heads"][place]["top"]
        for name, measured in head["metrics"].items():
            values = [one["heads"][place]["metrics"][name]["value"] for one in alone]
            assert measured["rows"] == (8 if name in COPY_SCORES else 45)
            assert measured["value"] == pytest.approx(np.mean(values), rel=1e-6, abs=1e-9)
    outcome = cli("inspect-attention", model, "--samples", 2)
    assert "2 windows of 16 tokens, spread evenly over data/input/val" in outcome.stderr
    assert "reading 2 windows of 16 tokens" in " ".join(outcome.stdout.split())


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("width", [40, 100])
def test_every_stage_has_its_picture_in_a_terminal(cli, model, monkeypatch, stage, width):
    monkeypatch.setenv("COLUMNS", str(width))
    outcome = cli("inspect-attention", model, "--text", TEXT, "--stage", stage)
    assert outcome.code == 0
    assert max(map(len, outcome.stdout.splitlines())) <= width


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (("--text", "abc", "--window", "2:9"), 2, "its 3 tokens are 0:3"),
        (("--text", "abc", "--window", "2"), 2, "such as 100:200"),
        (("--text", "abc" * 9, "--window", "0:20"), 2, "at most 16, such as 4:20"),
        (("--text", "abc", "--stage", "soft"), 2, "did you mean softmax"),
        (("--text", "abc", "--stage", "raw", "--json"), 2, "only with --patterns"),
        (("--text", "abc", "--stage", "raw", "--format", "csv"), 2, "--stage works only with"),
        (("--ids", "1 b"), 2, "'b' is not a token id"),
        (("--ids", " "), 2, "--ids is empty"),
        (("--ids", "1 999"), 2, "--ids 999 is not in this model: its ids are 0 to "),
        (("--ids", "1", "--text", "a"), 2, "cannot be combined"),
        (("--text", "a", "--samples", "2"), 2, "--samples has no effect with --text"),
        (("--samples", "0"), 2, "--samples must be at least 1"),
        (("--data", "nowhere"), 2, "nowhere"),
        (("--text", "a", "--format", "npz"), 2, "give --out"),
    ],
)  # fmt: skip
def test_mistakes_name_the_flag_and_what_would_work(cli, model, argv, code, words):
    outcome = cli("inspect-attention", model, "-q", *argv)
    assert (outcome.code, outcome.stdout) == (code, "")
    assert words in outcome.stderr
    assert outcome.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("transformer.h.1.attn.c_attn.weight", "the attention of layer 1 is not finite"),
        ("transformer.h.1.mlp.c_fc.weight", "the model's output is not finite"),
    ],
)
def test_damaged_weights_are_no_picture(cli, model, name, what, monkeypatch):
    """The fused kernel makes zeros of a query that is NaN, so that the output may look sound."""
    monkeypatch.setattr("gptcli.fast.layers.LONGEST_IN_FLOAT32", 0)  # products would keep the NaN
    file = model / "model.safetensors"
    weights = load_file(file)
    weights[name][:, 0] = np.nan
    save_file(weights, file, metadata={"format": "pt"})
    outcome = cli("inspect-attention", model, "--text", "abc", "-q")
    assert (outcome.code, outcome.stdout) == (4, "")
    assert f"{what}: its weights are damaged, use an earlier checkpoint" in outcome.stderr


def test_a_table_without_attention_is_named(cli, trained):
    argv = ("--preset", "lecture-bigram", "--max-iters", 2, "--out", "runs/table")
    assert cli("train", *argv).code == 0
    outcome = cli("inspect-attention", "runs/table", "--ids", "1 2", "-q")
    assert (outcome.code, outcome.stdout) == (2, "")
    assert "runs/table is a bigram table without attention" in outcome.stderr
