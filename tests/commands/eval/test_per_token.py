"""``eval --per-token``: lines, arrays and a page that say the same and harm nobody."""

import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

HOSTILE = "</span><script>alert(1)</script>\"' & {{ 7*7 }} \x1b]52\u202e" * 9


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data) -> None:
        self.text += data


def test_lines_and_arrays_add_up_to_the_loss(cli, trained: Path) -> None:
    whole = json.loads(cli("eval", "--json").stdout)
    lines = [json.loads(line) for line in cli("eval", "--per-token").stdout.splitlines()]
    assert len(lines) == whole["tokens"]
    assert sum(line["loss"] for line in lines) / len(lines) == pytest.approx(whole["loss"])
    assert sum(line["rank"] == 1 for line in lines) / len(lines) == whole["accuracy"]
    assert all(line["top"][0]["text"] == line["text"] for line in lines if line["rank"] == 1)
    done = cli("eval", "--per-token", "--format", "npz", "--out", "scores.npz")
    assert done.code == 0, done.stderr
    with np.load(trained / "scores.npz") as arrays:
        assert arrays["loss"].tolist() == [line["loss"] for line in lines]
        assert arrays["id"].tolist() == [line["id"] for line in lines]
        assert arrays["top_id"].shape == (len(lines), 5)
        assert int(arrays["context"]) == 16
    assert cli("eval", "--per-token", "--format", "npz", "--out", "scores.npz").code == 2


def test_a_page_shows_hostile_text_and_does_not_obey_it(cli, tmp_path: Path, tiny) -> None:
    (tmp_path / "input.txt").write_text(HOSTILE, encoding="utf-8")
    assert cli("prepare", "input.txt").code == 0
    assert cli("train", *tiny, "--max-iters", 2).code == 0
    page_text = cli("eval", "--per-token", "--format", "html", "--file", "input.txt").stdout
    page = _Page()
    page.feed(page_text)
    allowed = "html head meta title style body h1 p b main i span"
    assert {tag for tag, _ in page.tags} == set(allowed.split())
    assert all(set(attrs) <= {"class", "title"} for tag, attrs in page.tags if tag == "span")
    assert "http:" not in page_text
    assert "\x1b" not in page_text
    assert "\u202e" not in page_text
    hints = [attrs["title"] for tag, attrs in page.tags if tag == "span"]
    assert len(hints) == len(HOSTILE) - 1
    assert all("rank" in hint and "bits" in hint for hint in hints)
    assert "</span><script>alert(1)</script>" in page.text


def test_completions_are_coloured_and_questions_are_not(cli, masked_dataset, tiny) -> None:
    masked_dataset([("1+1=", "2\n")] * 30, [("1+1=", "2\n")] * 3)
    assert cli("train", *tiny, "--max-iters", 2).code == 0
    page = _Page()
    page.feed(cli("eval", "--per-token", "--format", "html").stdout)
    spans = [attrs for tag, attrs in page.tags if tag == "span"]
    assert len(spans) == 6
    assert sum(tag == "i" for tag, _ in page.tags) == 12


@pytest.mark.parametrize(
    ("argv", "remedy"),
    [
        (["--format", "html"], "--per-token"),
        (["--per-token", "--json"], "jsonl, npz, html"),
        (["--per-token", "--format", "npz"], "--out"),
        (["--per-token", "--by", "position"], "--per-token and --by cannot be combined"),
        (["--by", "colour"], "position"),
        (["--json", "--format", "table"], "cannot be combined"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(cli, argv, remedy) -> None:
    done = cli("eval", *argv)
    assert done.code == 2
    assert remedy in done.stderr
