"""The page's size, and how a limit is kept."""

import json
import re

import pytest

from gptcli.errors import UsageError
from gptcli.inspection.heads import Head

MB = 10**6
# Twelve layers of twelve heads of 64, as GPT-2 has them, in a narrow stream.
GPT2 = {"n_layer": 12, "n_head": 12, "n_kv_head": 12, "n_embd": 48, "head_dim": 64}


def data(html: str) -> dict:
    return json.loads(re.search(r'(?s)id="data">(.*?)</script>', html)[1])


@pytest.fixture(scope="module")
def shaped(inspected):
    """``shaped(n_tokens)``: what a model of GPT-2's shape read, each once."""
    known = {}

    def make(n_tokens: int):
        if n_tokens not in known:
            known[n_tokens] = inspected(n_tokens, **GPT2)
        return known[n_tokens]

    return make


def test_gpt2_at_256_tokens_takes_less_than_ten_megabytes(shaped):
    html = shaped(256).page()
    assert len(html) < 10 * MB
    found = data(html)
    assert found["patterns"]["form"] == "weights" and found["patterns"]["pool"] == 1
    assert len(found["vectors"]) == 8


def test_the_page_of_gpt2_paints_and_opens_a_head_within_two_seconds(shaped, opened):
    page = opened(shaped(256).page())
    paints = page.tab.evaluate(
        "performance.getEntriesByType('paint').map(({startTime}) => startTime)"
    )
    opening = page.tab.evaluate(
        "new Promise((done) => { const start = performance.now(); tiles[77].click();"
        " requestAnimationFrame(() => requestAnimationFrame("
        " () => done(performance.now() - start))); })"
    )
    assert page.hash()["head"] == "L6.H5"
    assert max(paints) + opening < 2000, "in milliseconds"


@pytest.mark.parametrize("limit", [0.5, 1, 3, 6.5])
def test_a_limit_is_kept_by_vectors_of_fewer_heads_and_by_pooling(shaped, limit):
    html = shaped(256).page(limit=limit)
    assert len(html) <= limit * MB
    found = data(html)
    assert found["patterns"]["pool"] > 1
    assert len(found["vectors"]) < 8 or limit > 6


def test_what_was_asked_for_is_never_left_out_and_the_message_names_a_limit_that_works(shaped):
    heads = [Head(0, 0), Head(11, 11)]
    with pytest.raises(UsageError, match="too small for this page: give --max-html-mb") as refused:
        shaped(256).page(heads, limit=0.5)
    assert "name fewer --heads" in str(refused.value)
    enough = float(re.search(r"--max-html-mb ([0-9.]+),", str(refused.value))[1])
    found = data(shaped(256).page(heads, limit=enough))
    assert list(found["vectors"]) == ["L0.H0", "L11.H11"]


def test_the_least_page_is_named_where_nobody_asked_for_heads(inspected):
    one = inspected()
    with pytest.raises(UsageError) as refused:
        one.page(limit=0.01)
    enough = float(re.search(r"--max-html-mb ([0-9.]+) or", str(refused.value))[1])
    assert len(one.page(limit=enough)) <= enough * MB


def test_the_command_writes_a_page_and_tells_its_size(cli, model):
    argv = ("inspect-attention", model, "--text", "abcd", "--sort", "self")
    outcome = cli(*argv, "--out", "page.html")
    assert outcome.code == 0 and outcome.stdout == ""
    assert re.search(r"the page has [0-9.]+ kB: weights in 8 bits, within 0\.\d+%", outcome.stderr)
    found = data((model.parent / "page.html").read_text(encoding="utf-8"))
    ranked = json.loads(cli(*argv, "--json").stdout)["heads"]
    assert list(found["vectors"]) == [f"L{one['layer']}.H{one['head']}" for one in ranked]
    assert [one["label"] for one in found["tokens"]] == list("abcd")
    values = {one["name"]: one["values"] for one in found["metrics"]}
    for head in ranked:
        place = head["layer"] * 3 + head["head"]
        exact = head["metrics"]["self"]["value"]
        assert values["self"][place] == pytest.approx(exact, rel=1e-4)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("--max-html-mb", "3"), "works only with --format html"),
        (("--format", "html", "--out", "p.html", "--max-html-mb", "0"), "greater than 0"),
        (("--format", "html", "--out", "p.html", "--max-html-mb", "0.01"), "give --max-html-mb 0."),
    ],
)
def test_a_limit_that_cannot_work_ends_in_one_line(cli, model, argv, words):
    outcome = cli("inspect-attention", model, "-q", "--text", "abc", *argv)
    assert outcome.code == 2 and words in outcome.stderr and outcome.stderr.count("\n") == 1
    assert not (model.parent / "p.html").exists()


def test_one_token_makes_a_page(cli, model):
    assert cli("inspect-attention", model, "--text", "a", "--out", "page.html").code == 0
