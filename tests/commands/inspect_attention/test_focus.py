"""--pair, --token, --groups, --compare and --compare-checkpoint, as they are typed."""

import csv
import json
import re

import numpy as np
import pytest
from rich.cells import cell_len

from gptcli.checkpoint.model_files import write_description
from gptcli.checkpoint.tensors import save_weights
from gptcli.config.model import ModelConfig
from gptcli.model.initialization import new_model
from gptcli.tokenization.trainer import character_tokenizer

TEXT = "abc de\nfab"
CONFIG = ModelConfig(2, 2, 16, block_size=16, vocab_size=10)


@pytest.fixture
def look(cli, tmp_path):
    """``look("--token", "de")``: at TEXT with the first of two small models, of characters."""
    for name, seed, n_head in (("first", 3, 2), ("second", 4, 2), ("other", 3, 4)):
        config = ModelConfig(2, n_head, 16, block_size=16, vocab_size=10)
        directory = tmp_path / name
        directory.mkdir()
        write_description(directory, config, character_tokenizer("abcdefgh \n"))
        weights = {key: 5 * one for key, one in new_model(config, seed).state_dict().items()}
        save_weights(directory / "model.safetensors", weights, config)

    def run(*argv, text=TEXT):
        return cli("inspect-attention", "first", "--text", text, *argv)

    return run


def document(outcome):
    assert outcome.code == 0, outcome.stderr
    return json.loads(outcome.stdout)


def test_the_steps_of_a_pair_lead_from_the_product_to_the_stream(look):
    (pair,) = document(look("--pair", "5:2", "--heads", "L1.H0", "--json"))["pairs"]
    vectors = {name: np.array(values) for name, values in pair["vectors"].items()}
    assert (pair["layer"], pair["head"], pair["query_at"], pair["key_at"]) == (1, 0, 5, 2)
    assert pair["raw"] == pytest.approx(vectors["query"] @ vectors["key"], rel=1e-5)
    assert pair["scaled"] == pytest.approx(pair["raw"] / np.sqrt(8), rel=1e-6)
    scores = np.array([-np.inf if one is None else one for one in pair["masked_scores"]])
    assert np.isneginf(scores[6:]).all()
    assert pair["weight"] == pytest.approx(np.exp(scores[2]) / np.exp(scores).sum(), rel=1e-5)
    moved = vectors["after"] - vectors["before"]
    np.testing.assert_allclose(moved, vectors["layer_update"], atol=1e-5)


def test_a_pair_in_the_future_is_masked_and_weighs_nothing(look):
    (pair,) = document(look("--pair", "2:5", "--json"))["pairs"]
    assert (pair["masked"], pair["weight"]) == (None, 0)
    shown = look("--pair", "2:5").stdout
    assert "-inf" in shown and "in the query's future" in shown


def test_the_tables_of_a_pair_add_up(look):
    shown = look("--pair", "strongest", "--heads", "L0.H1").stdout
    (whole,) = document(look("--pair", "strongest", "--heads", "L0.H1", "--json"))["pairs"]
    query, key = whole["query_at"], whole["key_at"]
    assert f"Head L0.H1: token {query} " in shown and f"looks at token {key} " in shown
    assert shown.count(f"{whole['raw']:.3f}") >= 2
    exact = look("--pair", f"{query}:{key}", "--format", "csv").stdout
    rows = list(csv.DictReader(exact.splitlines()))
    assert [float(row["product"]) for row in rows] == pytest.approx(
        [float(row["query"]) * float(row["key"]) for row in rows], rel=1e-5
    )


def test_a_token_s_row_is_that_of_the_pattern_in_every_head(look):
    row = document(look("--token", "de", "--json"))["row"]
    patterns = document(look("--json", "--patterns"))["heads"]
    assert row["i"] == 5
    assert len(row["heads"]) == 4
    for head in patterns:
        place = (head["layer"], head["head"])
        (found,) = (one for one in row["heads"] if (one["layer"], one["head"]) == place)
        assert found["weights"] == pytest.approx(head["pattern"][5][:6], abs=1e-6)
    outcome = look("--token", "de")
    assert "What token 5 'e' draws" in outcome.stdout
    assert "token: 5 'e', the last of 'de'" in outcome.stderr


def test_numbers_of_tokens_count_from_the_beginning_of_a_text_that_is_cut(look):
    text = "abc de\nf" * 4  # 32 tokens, of which the model reads the last 16
    whole = document(look("--json", text=text))
    assert [token["i"] for token in whole["tokens"]] == list(range(16, 32))
    row = document(look("--token", "29", "--json", text=text))
    assert (row["row"]["i"], row["tokens"]) == (29, whole["tokens"])
    (pair,) = document(look("--pair", "29:f", "--json", text=text))["pairs"]
    assert (pair["query_at"], pair["key_at"], len(pair["masked_scores"])) == (29, 31, 16)
    shown = look("--token", "29", text=text)
    assert "What token 29 'e' draws" in shown.stdout
    assert "16 a" in look("--token", "29", "--format", "md", text=text).stdout
    assert "16 to 31" in look("--token", "3", text=text).stderr
    compared = document(
        look("--token", "29", "--compare-checkpoint", "second", "--json", text=text)
    )
    assert [one["i"] for one in compared["comparison"]["word"]["rows"]] == [29, 29]


def test_groups_of_characters_are_shown_for_the_most_specific_heads(look):
    found = document(look("--groups", "--json"))["groups"]
    assert len(found) == 4
    for head in found:
        vowels = [link for link in head["links"] if link["looks"] == "vowel"]
        assert sum(link["weight"] for link in vowels) == pytest.approx(1)
        assert {link["rows"] for link in vowels} == {2}  # token 0 does not count
    shown = look("--groups").stdout
    assert "look for one group most" in shown and "consonant (" in shown
    assert shown.count("an even spread over the past") == 1
    assert "What looks for what" in look().stdout


def test_several_texts_are_read_side_by_side_and_their_common_word_compared(look):
    argv = ("--compare", "fab de", "--compare", "h de g")
    found = document(look(*argv, "--json"))["comparison"]
    assert [reading["name"] for reading in found["readings"]] == [TEXT, "fab de", "h de g"]
    assert found["word"]["text"] == "de"
    assert [row["i"] for row in found["word"]["rows"]] == [5, 5, 3]
    assert found["heads"][0]["moved"] == [None, None]
    shown = look(*argv).stdout
    assert "What 'de' draws" in shown and "C: token 3 'e'" in shown and "C - A" in shown


def test_two_checkpoints_differ_by_what_moved(look):
    found = document(look("--compare-checkpoint", "second", "--json"))["comparison"]
    moved = [head["moved"][0] for head in found["heads"]]
    assert moved == sorted(moved, reverse=True)
    assert 0 < moved[-1] <= moved[0] <= 1
    shown = look("--compare-checkpoint", "second").stdout
    assert "A: first" in shown and "B: second" in shown
    head = found["heads"][0]
    assert f"Head L{head['layer']}.H{head['head']}: B - A" in shown
    same = document(look("--compare-checkpoint", "first", "--json"))["comparison"]
    assert {tuple(head["moved"]) for head in same["heads"]} == {(0.0,)}
    shown = look("--compare-checkpoint", "first").stdout
    assert "Every weight is the same." in shown and "looks at" not in shown


@pytest.mark.parametrize(
    "argv",
    [
        ("--pair", "4:3"),
        ("--token", "3"),
        ("--groups",),
        ("--compare", "de a"),
        ("--compare-checkpoint", "second"),
    ],
)
@pytest.mark.parametrize("width", [40, 60, 100])
def test_every_view_fits_and_comes_as_tables(look, argv, width, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    shown = look(*argv).stdout
    assert "\x1b" not in shown
    # A table of figures is not cut: its widest row may need some 50 columns.
    assert max(map(cell_len, shown.splitlines())) <= max(width, 52)
    markdown = look(*argv, "--format", "md").stdout
    assert markdown.startswith("**") and "| --- |" in markdown
    rows = list(csv.DictReader(look(*argv, "--format", "csv").stdout.splitlines()))
    assert rows and None not in rows[0]


def test_hostile_tokens_stay_literal_in_every_view(cli, tmp_path):
    hostile = "[b]\x1b]\u202e</a"
    config = ModelConfig(1, 2, 8, block_size=16, vocab_size=len(set(hostile)))
    directory = tmp_path / "model"
    directory.mkdir()
    write_description(directory, config, character_tokenizer(hostile))
    save_weights(directory / "model.safetensors", new_model(config, 1).state_dict(), config)
    for argv in (("--pair", "5:3"), ("--token", "5"), ("--groups",), ("--compare", hostile[::-1])):
        for form in ("table", "md", "csv"):
            done = cli("inspect-attention", "model", "--text", hostile, *argv, "--format", form)
            assert done.code == 0, done.stderr
            assert not {"\x1b", "\u202e"} & set(done.stdout)


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (("--pair", "5"), 2, "--pair '5' is no pair: give QUERY:KEY"),
        (("--pair", "5:77"), 2, "--pair '77' is not in the text"),
        (("--token", "zebra"), 2, "--token 'zebra' is not in the text: .* 0 to 9"),
        (("--token", "3", "--pair", "1:1"), 2, "cannot be combined"),
        (("--token", "3", "--compare", "fff"), 2, "--token '3' is not in"),
        (("--groups", "--compare", "a"), 2, "cannot be combined"),
        (("--groups", "--window", "1:3"), 2, "--window has no effect with --groups"),
        (("--compare", "xyz"), 2, "'x' .U.0078. at offset 0"),
        (("--compare", "a") * 26, 2, "--compare is given 26 times: give it at most 25 times"),
        (("--compare", " "), 3, "--compare holds only white space"),
        (("--compare-checkpoint", "other"), 4, "first and other cannot be compared: .* 4 heads"),
        (("--compare-checkpoint", "missing"), 5, "missing: no such path"),
        (("--pair", "1:1", "--format", "svg"), 2, "not for --pair"),
    ],
)
def test_mistakes_end_in_one_line_with_the_way_out(look, argv, code, words):
    outcome = look("-q", *argv)
    assert (outcome.code, outcome.stdout) == (code, ""), outcome.stderr
    assert outcome.stderr.count("\n") == 1

    assert re.search(words, outcome.stderr), outcome.stderr


@pytest.mark.parametrize(
    ("stage", "future", "legend"),
    [
        ("raw", "", "the future is not masked yet"),
        ("masked", "-inf", ". marks the future"),
        ("softmax", ".", ". marks the future"),
    ],
)
def test_the_terminal_shows_scores_of_the_future_until_the_mask_makes_them_minus_infinity(
    look, stage, future, legend
):
    shown = look("--stage", stage, "--heads", "L0.H1", text="abcd").stdout
    row = next(line for line in shown.splitlines() if line.startswith("0 a "))
    found = row.split("next")[0].split()[2:]
    assert found[0] != future and len(found) == 4
    assert set(found[1:]) == {future} or (stage == "raw" and float(found[3]))
    assert legend in shown


def test_a_comparison_is_drawn_as_a_figure_but_a_pair_is_not(look, tmp_path):
    assert look("--compare-checkpoint", "second", "--out", "both.svg").code == 0
    assert "<svg" in (tmp_path / "both.svg").read_text(encoding="utf-8")
    assert look("--token", "3", "--out", "row.svg").code == 2
