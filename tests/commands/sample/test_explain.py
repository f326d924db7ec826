"""``sample --explain``: the distribution of every token, in any terminal."""

import json
import re
from pathlib import Path

import pytest
from rich.cells import cell_len

_ROW = re.compile(
    r"(?P<mark>▶| ) +(?P<rank>\d+) (?P<label>\S+) +(?P<bar>[█▏▎▍▌▋▊▉]*) +(?P<p>[\d.]+)%"
)


def blocks_of(view: str) -> list[list[re.Match]]:
    found = re.split(r"^token \d+$", view, flags=re.MULTILINE)[1:]
    return [[row for line in block.splitlines() if (row := _ROW.match(line))] for block in found]


def explain(cli, *flags: object) -> str:
    done = cli("sample", "-q", "--prompt", "the", "-n", 6, "--explain", *flags)
    assert done.code == 0, done.stderr
    return done.stdout


def test_each_token_shows_what_it_was_drawn_from(cli, trained: Path) -> None:
    view = explain(cli)
    flags = ("sample", "-q", "--prompt", "the", "-n", 6, "--json", "--logprobs", 5)
    sample = json.loads(cli(*flags).stdout)["samples"][0]
    blocks = blocks_of(view)
    assert len(blocks) == 6
    for rows, seen in zip(blocks, sample["logprobs"], strict=True):
        marked = [int(row["rank"]) for row in rows if row["mark"] == "▶"]
        assert marked == [seen["rank"]]
        assert [int(row["rank"]) for row in rows[:5]] == [1, 2, 3, 4, 5]
        shares = [float(row["p"]) / 100 for row in rows[:5]]
        expected = [2.718281828459045 ** one["logprob"] for one in seen["top"]]
        assert shares == pytest.approx(expected, abs=6e-4)
    assert view.endswith("\n\n" + sample["text"] + "\n")


def test_what_was_cut_off_is_not_shown(cli, trained: Path) -> None:
    for rows in blocks_of(explain(cli, "--top-k", 2)):
        assert [int(row["rank"]) for row in rows] == [1, 2]
        assert sum(float(row["p"]) for row in rows) == pytest.approx(100, abs=0.11)


def test_greedy_shows_the_model_s_probabilities(cli, trained: Path) -> None:
    view = explain(cli, "--temperature", 0)
    assert "takes the most likely" in " ".join(view.split())
    for rows in blocks_of(view):
        assert [row["mark"] for row in rows] == ["▶", *" " * 4]
        assert float(rows[1]["p"]) > 0


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_lines_fit_the_terminal(cli, trained: Path, monkeypatch, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    view = explain(cli, "--temperature", 3)
    lines = view.rpartition("\n\n")[0].splitlines()
    least = 27  # below, rows are cut short by nothing: a number must stay readable
    assert max(map(cell_len, lines)) <= max(width, least)
    bars = [len(row["bar"]) for rows in blocks_of(view) for row in rows]
    assert max(bars) > 0 or width < 40


def test_the_longest_bar_is_certainty(cli, trained: Path) -> None:
    rows = [row for rows in blocks_of(explain(cli, "--top-k", 1)) for row in rows]
    assert {(row["bar"], row["p"]) for row in rows} == {("█" * 40, "100.0")}


def test_the_view_goes_into_a_file_too(cli, trained: Path) -> None:
    explain(cli, "--out", "view.txt")
    text = (trained / "view.txt").read_text()
    assert len(blocks_of(text)) == 6
    assert max(map(cell_len, text.splitlines())) <= 80
