"""--embedding, --direction and --residual, as they are typed."""

import csv
import json

import numpy as np
import pytest
import torch
from rich.cells import cell_len

from gptcli.checkpoint.model_files import write_description
from gptcli.checkpoint.tensors import save_weights
from gptcli.config.model import ModelConfig
from gptcli.generation.loaded_model import load_model
from gptcli.model.initialization import new_model
from gptcli.tokenization.kinds import TokenizerSpec
from gptcli.tokenization.trainer import character_tokenizer, train_tokenizer

MOLES = ("American shrew mole", "one mole of carbon dioxide", "take a biopsy of the mole")
LENGTH = 24


@pytest.fixture
def table(tmp_path):
    """The table of embeddings of two models, ``words`` and ``letters``, of untrained weights."""
    makers = {
        "words": train_tokenizer(TokenizerSpec("word", vocab_size=40), [" ".join(MOLES)]),
        "pieces": train_tokenizer(TokenizerSpec("bpe", vocab_size=290), [" ".join(MOLES * 4)]),
        "letters": character_tokenizer("abcdef+- \n"),
    }
    for name, tokenizer in makers.items():
        config = ModelConfig(2, 2, 16, block_size=LENGTH, vocab_size=tokenizer.vocab_size)
        (tmp_path / name).mkdir()
        write_description(tmp_path / name, config, tokenizer)
        weights = {key: 5 * one for key, one in new_model(config, 3).state_dict().items()}
        save_weights(tmp_path / name / "model.safetensors", weights, config)

    def row(text, model="words"):
        (number,) = makers[model].encode(text)
        config = ModelConfig(2, 2, 16, block_size=LENGTH, vocab_size=makers[model].vocab_size)
        return 5 * new_model(config, 3).token_embedding.weight[number].detach().double().numpy()

    return row


@pytest.fixture
def look(cli, table):
    """``look("--embedding", "mole")`` at the model of words."""
    return lambda *argv: cli("inspect-attention", "words", *argv)


def document(outcome):
    assert outcome.code == 0, outcome.stderr
    return json.loads(outcome.stdout)


def test_an_embedding_is_its_row_of_the_table(look, table):
    found = document(look("--embedding", "mole", "--json"))
    row = table("mole")
    np.testing.assert_allclose(found["vector"], row, rtol=1e-6)
    assert found["norm"] == pytest.approx(np.linalg.norm(row))
    assert "mole" not in [one["text"] for one in found["nearest"]]
    cosines = [one["cosine"] for one in found["nearest"]]
    assert cosines == sorted(cosines, reverse=True)
    best = table(found["nearest"][0]["text"])
    expected = row @ best / np.linalg.norm(row) / np.linalg.norm(best)
    assert cosines[0] == pytest.approx(expected, abs=1e-6)


def test_csv_has_the_nearest_tokens_exactly(look):
    found = document(look("--embedding", "mole", "--json"))["nearest"]
    rows = list(csv.DictReader(look("--embedding", "mole", "--format", "csv").stdout.splitlines()))
    assert [(int(row["id"]), row["text"]) for row in rows if row["text"] not in " <unk>"] == [
        (one["id"], one["text"]) for one in found if one["text"] not in " <unk>"
    ]
    assert [float(row["cosine"]) for row in rows] == [one["cosine"] for one in found]


def test_a_direction_is_the_sum_of_rows_with_their_signs(look, table):
    found = document(look("--direction", "mole - shrew + 'dioxide'", "--json"))
    total = table("mole") - table("shrew") + table("dioxide")
    np.testing.assert_allclose(found["vector"], total, rtol=1e-5, atol=1e-6)
    assert [one["sign"] for one in found["tokens"]] == [1, -1, 1]
    own = table("shrew")
    expected = own @ total / np.linalg.norm(own) / np.linalg.norm(total)
    assert found["tokens"][1]["cosine"] == pytest.approx(expected, abs=1e-6)
    shown = look("--direction", "mole - shrew").stdout
    assert "'mole' - 'shrew'" in shown and "opposite direction" in shown


def test_a_word_that_is_one_token_only_in_running_text_is_that_token(cli, table):
    outcome = cli("inspect-attention", "pieces", "--embedding", "mole", "--json")
    np.testing.assert_allclose(document(outcome)["vector"], table(" mole", "pieces"), rtol=1e-6)
    assert "tokens: '·mole', with the space" in outcome.stderr
    exact = cli("inspect-attention", "pieces", "--direction", "' mole' - ' o'", "--json")
    assert [one["text"] for one in document(exact)["tokens"]] == [" mole", " o"]


def test_quotes_keep_signs_and_characters_say_what_they_cannot_mean(cli, table):
    outcome = cli("inspect-attention", "letters", "--direction", "'+' - '-'")
    assert "'+' - '-'" in outcome.stdout and "how a character is used" in outcome.stdout
    outcome = cli("inspect-attention", "letters", "--text", "abc", "--residual", "b")
    assert "how a character is used" in outcome.stdout


def test_one_token_in_three_texts_is_equal_at_first_and_apart_after_attention(look):
    others = [part for text in MOLES[1:] for part in ("--compare", text)]
    argv = ("--text", MOLES[0], "--residual", "mole", *others)
    readings = document(look(*argv, "--json"))["residual"]
    assert [one["i"] for one in readings] == [4, 2, 10]
    for one in readings[1:]:
        first, *_, last = (step["cosine_to_first"] for step in one["steps"])
        assert first == 1 and last < 0.999
        vectors = [
            torch.tensor(each["steps"][-1]["vector"], dtype=torch.double)
            for each in (readings[0], one)
        ]
        assert last == pytest.approx(float(torch.cosine_similarity(*vectors, dim=0)), abs=1e-6)
    assert len(readings[0]["heads"]) == 4
    shown = look(*argv).stdout
    assert "A, B" in shown and "B, C" in shown and "C: what the heads add" in shown
    head = max(readings[2]["heads"], key=lambda one: one["norm"])
    row = shown.partition("C: what the heads add")[2].partition(f"L{head['layer']}.H{head['head']}")
    ends = [head[name][0] for name in ("raises", "lowers")]
    for word in (f"'{one['text']}' {one['logit']:+.2f}" for one in ends):
        assert word in " ".join(row[2].partition("\nL")[0].split())
    exact = list(csv.DictReader(look(*argv, "--format", "csv").stdout.splitlines()))
    assert len(exact) == 3 * 6
    assert float(exact[-1]["cosine_to_first"]) == pytest.approx(last)


def test_a_sum_of_nothing_or_of_all_tokens_is_shown_too(cli, table):
    zero = document(cli("inspect-attention", "letters", "--direction", "a - a", "--json"))
    assert zero["norm"] == 0 and {one["cosine"] for one in zero["nearest"]} == {0.0}
    every = " + ".join(["a", "b", "c", "d", "e", "f", "'+'", "'-'", "' '", "'\n'"])
    for form in ("table", "csv", "md", "json"):
        outcome = cli("inspect-attention", "letters", "--direction", every, "--format", form)
        assert outcome.code == 0


def test_the_steps_of_an_update_are_those_of_value_down_and_value_up(look, tmp_path):
    """The chapter's words and ours name one number, got here from the weights themselves."""
    argv = ("--text", MOLES[0], "--pair", "4:2", "--heads", "L1.H1")
    (pair,) = document(look(*argv, "--json"))["pairs"]
    vectors = {name: np.array(values) for name, values in pair["vectors"].items()}
    attention = load_model(tmp_path / "words", "cpu").model.blocks[1].attention
    weights = {name: one.detach().double().numpy() for name, one in attention.named_parameters()}
    value_down = weights["query_key_value.weight"][32 + 8 : 48]  # of the second head: (D, C)
    value_up = weights["output.weight"][:, 8:]  # (C, D)
    value = value_down @ vectors["received"] + weights["query_key_value.bias"][32 + 8 : 48]
    np.testing.assert_allclose(vectors["value"], value, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(vectors["written"], value_up @ value, rtol=1e-4, atol=1e-5)
    added = pair["weight"] * value_up @ value
    np.testing.assert_allclose(vectors["added"], added, rtol=1e-4, atol=1e-5)
    lines = look(*argv).stdout.splitlines()
    for start, length in {
        "value down x E ": np.linalg.norm(value),
        "value vector ": np.linalg.norm(value_up @ value),
        "weighted ": np.linalg.norm(added),
        "E + ΔE": np.linalg.norm(vectors["after"]),
    }.items():
        (line,) = (one for one in lines if one.startswith(start))
        assert f" {length:.3f}  " in line
    assert any("16 x 16" in one and "stapled together" in one for one in lines)


def test_tokens_of_a_text_that_is_too_long_are_counted_from_its_beginning(look):
    long = "the mole " * 10 + "of carbon"  # 43 tokens, of which the model reads the last 24
    (found,) = document(look("--text", long, "--residual", "of", "--json"))["residual"]
    assert found["i"] == 40
    (same,) = document(look("--text", long, "--residual", "40", "--json"))["residual"]
    assert same["steps"] == found["steps"]
    assert "token 40 'of'" in look("--text", long, "--residual", "40").stdout


def test_different_tokens_are_said_to_be_apart_from_the_start(look):
    outcome = look("--text", "the mole", "--residual", "2", "--compare", "mole of carbon")
    assert "These are different tokens" in outcome.stdout


def test_a_table_of_bigrams_has_no_vectors_to_look_at(cli, tmp_path):
    tokenizer = character_tokenizer("abc")
    config = ModelConfig(
        0, 1, 3, block_size=4, vocab_size=3, lm_head=False, positions="none", norm="none",
        tied=False,
    )  # fmt: skip
    (tmp_path / "table").mkdir()
    write_description(tmp_path / "table", config, tokenizer)
    weights = new_model(config, 1).state_dict()
    save_weights(tmp_path / "table" / "model.safetensors", weights, config)
    for argv in (("--embedding", "a"), ("--text", "ab", "--residual", "a")):
        outcome = cli("inspect-attention", "table", *argv)
        assert outcome.code == 2
        assert "is a bigram table without attention" in outcome.stderr


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("--embedding", "the mole"), "not one token of this model but 3: 'the', '·', 'mole'"),
        (("--embedding", "whale"), "is not a token of this model, which reads '<unk>'"),
        (("--embedding", ""), "--embedding is empty"),
        (("--direction", "mole -"), "lacks a word"),
        (("--direction", "mole + + the"), "lacks a word"),
        (("--embedding", "mole", "--text", "mole"), "--text has no effect with --embedding"),
        (("--embedding", "mole", "--direction", "mole"), "cannot be combined"),
        (("--residual", "whale", "--text", "the mole"), "'whale' is not in the text"),
        (
            ("--residual", "mole", "--text", "the mole", "--compare", "the"),
            "the text is 'the'",
        ),
        (("--residual", "mole", "--text", "mole", "--pair", "0:0"), "cannot be combined"),
        (("--residual", "mole", "--text", "mole", "--format", "svg"), "not for --residual"),
    ],
)
def test_what_cannot_be_meant_is_an_error_that_tells_the_way_out(look, argv, message):
    outcome = look(*argv)
    assert outcome.code == 2
    assert message in outcome.stderr


@pytest.mark.parametrize("width", [60, 100])
@pytest.mark.parametrize(
    "argv",
    [
        ("--embedding", "mole"),
        ("--direction", "mole - shrew"),
        ("--text", MOLES[0], "--residual", "mole", "--compare", MOLES[1]),
    ],
)
def test_every_view_fits_and_comes_as_tables(look, argv, width, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    shown = look(*argv).stdout
    assert max(map(cell_len, shown.splitlines())) <= width
    assert look(*argv, "--format", "md").stdout.startswith("**")
    assert list(csv.DictReader(look(*argv, "--format", "csv").stdout.splitlines()))
