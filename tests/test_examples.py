"""The runnable examples, on a small scale."""

import json
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from gptcli.accounting.parameters import exact_count
from gptcli.data.questions import Pairs

EXAMPLES = Path(__file__).parents[1] / "examples"


def load(name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))


NUMBERS = {
    1: ("un", "one"),
    16: ("seize", "sixteen"),
    21: ("vingt et un", "twenty one"),
    71: ("soixante et onze", "seventy one"),
    77: ("soixante dix sept", "seventy seven"),
    80: ("quatre vingts", "eighty"),
    81: ("quatre vingt un", "eighty one"),
    99: ("quatre vingt dix neuf", "ninety nine"),
    200: ("deux cents", "two hundred"),
    1001: ("mille un", "one thousand one"),
    80_300: ("quatre vingt mille trois cents", "eighty thousand three hundred"),
    91_115: ("quatre vingt onze mille cent quinze", "ninety one thousand one hundred fifteen"),
}


def test_numbers_are_written_as_in_both_languages(monkeypatch) -> None:
    words = load("number_words", monkeypatch)
    for number, expected in NUMBERS.items():
        assert (" ".join(words["french"](number)), " ".join(words["english"](number))) == expected
    for language in ("french", "english"):
        spelt = {" ".join(words[language](number)) for number in range(1, 100_000)}
        assert len(spelt) == 99_999


def test_the_encoder_decoder_learns_and_its_decoder_sees_no_future(monkeypatch) -> None:
    example = load("encoder_decoder", monkeypatch)
    torch.manual_seed(1)
    sentences = [["a", "b"], ["b"], ["b", "a"], ["a"]]
    language = example["Language"].of(sentences)
    model = example["Translator"](language, language, n_embd=16, n_layer=1)
    source = language.encode(sentences)
    target = language.encode([sentence[::-1] for sentence in sentences])
    changed = target.clone()
    changed[:, 2:] = 0
    with torch.no_grad():
        assert torch.equal(model(source, target)[:, :2], model(source, changed)[:, :2])
        other = model(source.flip(1), target)[:, :2]
        assert not torch.allclose(model(source, target)[:, :2], other), "the encoder is read"
    example["train"](model, source, target, 300)
    written = model.translate(source, language.length).tolist()
    assert [language.decode(ids) for ids in written] == [s[::-1] for s in sentences]
    found = example["patterns"](model.eval(), source[:1], target[:1, :3])
    assert {name: tuple(pattern.shape) for name, pattern in found.items()} == {
        "encoder L0": (4, 4, 4), "decoder L0": (4, 3, 3), "cross L0": (4, 3, 4),
    }  # fmt: skip
    assert all(torch.allclose(one.sum(-1), torch.ones(())) for one in found.values())
    assert not found["decoder L0"].triu(1).any() and found["encoder L0"].all()


@pytest.fixture
def climb(monkeypatch, cli, tmp_path: Path, capsys):
    """``climb("--max-iters", "1")``: what the ladder prints, with its commands in this process."""
    example = load("lecture_ladder", monkeypatch)
    (tmp_path / "input.txt").write_text("the cats ate the rats. " * 99)
    typed = []

    def gptcli(*arguments: object) -> str:
        typed.append(arguments)
        outcome = cli(*arguments)
        if outcome.code:
            raise SystemExit(outcome.code)
        return outcome.stdout

    monkeypatch.setitem(example["climb"].__globals__, "gptcli", gptcli)

    def run(*argv: str) -> tuple[list[list[str]], list[tuple]]:
        """The words of each line that is printed, and the commands that were typed."""
        typed.clear()
        example["main"](["input.txt", *argv])
        return [line.split() for line in capsys.readouterr().out.splitlines()], list(typed)

    run.rungs = example["climb"].__globals__["RUNGS"]
    return run


def test_the_ladder_prints_every_rung_beside_the_lectures_figure(climb) -> None:
    rows, typed = climb("--max-iters", "1")
    assert [row[0] for row in rows] == [
        "rung", "bigram", "head", "multihead", "feedforward", "residual", "layernorm",
        *(f"{order}-gram" for order in range(2, 9)),
    ]  # fmt: skip
    assert [row[2] for row in rows[1:7]] == ["2.5", "2.4", "2.28", "2.24", "2.08", "2.06"]
    assert all(1 < float(row[1]) < 4 for row in rows[1:7])
    assert all(0 < float(row[1]) < 2 for row in rows[7:])
    assert [words[0] for words in typed] == ["prepare", *6 * ["train"]]


def test_the_ladder_goes_on_where_it_was_stopped(climb, cli, monkeypatch) -> None:
    for rung in [rung for rung in climb.rungs if rung not in ("bigram", "head")]:
        monkeypatch.delitem(climb.rungs, rung)
    cli("prepare", "input.txt", "--tokenizer", "char", "--out", "ladder/data")
    stopped = ["--preset", "lecture-bigram", "--data", "ladder/data", "--out", "ladder/bigram"]
    cli("train", *stopped, "--max-iters", "1")
    rows, typed = climb("--max-iters", "2")
    assert [words[1] for words in typed] == ["--resume", "--preset"]
    run = json.loads(Path("ladder/bigram/train.json").read_text())
    assert run["training"]["max_iters"] == 2
    again, typed = climb("--max-iters", "2")
    assert [words[1] for words in typed] == ["--resume", "--resume"]
    assert again == rows, "a second run trains nothing and shows the same"


def test_the_ladder_says_what_stands_in_its_way(climb, monkeypatch, tmp_path: Path, cli) -> None:
    cli("prepare", "input.txt", "--tokenizer", "char", "--out", "ladder/data")
    (tmp_path / "input.txt").write_text("another text, " * 99)
    with pytest.raises(SystemExit, match=r"made from another text than input\.txt: --folder NEW"):
        climb()
    (tmp_path / "input.txt").unlink()
    with pytest.raises(SystemExit, match="2"):
        climb()


def test_a_command_that_fails_ends_the_ladder_with_its_code(monkeypatch, capfd) -> None:
    gptcli = load("lecture_ladder", monkeypatch)["gptcli"]
    with pytest.raises(SystemExit, match="2"):
        gptcli("prepare", "missing.txt")
    errors = capfd.readouterr().err
    assert "missing.txt" in errors and "the same command goes on from here" in errors
    assert "Traceback" not in errors


TALE = "the cat sat on the mat, the rat sat on the cat; a cat ate that rat"


def test_counting_reaches_the_figures_of_another_program(monkeypatch, shared: Path) -> None:
    yardstick = load("ngram_yardstick", monkeypatch)
    text = (shared / "data" / "tinyshakespeare.txt").read_text(encoding="utf-8")
    found = yardstick["losses"](text, [7])
    # That program leaves out the last window, which is partial.
    assert found == pytest.approx({7: 1.5292}, abs=6e-4)


def test_features_are_trained_once_each_and_shown_beside_the_start(
    monkeypatch, tmp_path: Path, capsys
) -> None:
    example = load("modern_features", monkeypatch)
    known = example["train_all"].__globals__
    every = known["FEATURES"]["all, with squared ReLU"]
    monkeypatch.setitem(known, "FEATURES", {"start": example["Feature"](), "every": every})
    monkeypatch.setitem(known, "SEEDS", (1, 2))
    monkeypatch.setitem(known, "SIZES", {"n_layer": 1, "n_head": 1, "n_embd": 8, "block_size": 8})
    (tmp_path / "input.txt").write_text(TALE * 9)
    dataset = example["prepared"](str(tmp_path / "input.txt"), tmp_path)
    outcomes = example["train_all"](dataset, tmp_path, 2)
    assert {(one.feature, one.seed) for one in outcomes} == {
        (name, seed) for name in ("start", "every") for seed in (1, 2)
    }
    assert len({one.val_loss for one in outcomes}) == 4
    kept = (tmp_path / "outcomes.jsonl").read_text()
    assert example["train_all"](dataset, tmp_path, 2) == outcomes, "nothing is trained again"
    assert (tmp_path / "outcomes.jsonl").read_text() == kept
    capsys.readouterr()
    example["print_table"](outcomes)
    start, every_row = capsys.readouterr().out.splitlines()[2:]
    assert "+0.000" in start and every_row.startswith("| every")
    example["draw"](outcomes, tmp_path / "features.svg")
    assert "<svg" in (tmp_path / "features.svg").read_text()


def test_a_feature_changes_what_it_is_named_after_and_nothing_else(monkeypatch) -> None:
    example = load("modern_features", monkeypatch)
    start = example["configured"](example["Feature"](), 1, 9, 65)
    for name, feature in example["FEATURES"].items():
        model, training = example["configured"](feature, 1, 9, 65)
        for now, before, named in (
            (model, start[0], feature.model),
            (training, start[1], feature.training),
        ):
            changed = {key for key in vars(now) if getattr(now, key) != getattr(before, key)}
            assert changed <= set(named), name
        assert 0.97 < exact_count(model) / exact_count(start[0]) < 1.09, "all are of about one size"


def test_pairs_are_counted_by_what_is_wrong_with_the_worse_answer(monkeypatch) -> None:
    kinds = load("judged_by_kind", monkeypatch)["kinds"]
    texts = ["2+3 is 5.", "5", "2+3 is 5.", "2+3 is 6.", "2+3 is 5.", "6", "bed has 3.", "3."]
    tokens = [[*text.encode(), 0] for text in texts]
    ends = np.cumsum([len(one) for one in tokens])
    pairs = Pairs(ends[::2] * 0, np.append(0, ends[1:-1:2]), ends[::2], ends[1::2])
    every = np.concatenate(tokens)
    split = SimpleNamespace(read=lambda first, count: every[first : first + count])
    found = kinds(split, pairs, lambda ids: bytes(ids).decode())
    assert found == ["form", "content", "form and content", "form"]


def test_a_judge_is_asked_about_every_kind(monkeypatch, cli, capsys) -> None:
    cli("prepare", "preferences", "--count", "70", "--val-fraction", "0.5", "--out", "data/pairs")
    small = ("--n-layer", "1", "--n-head", "1", "--n-embd", "8", "--max-iters", "1")
    cli("train", "--data", "data/pairs", "--block-size", "96", *small, "--out", "runs/base")
    flags = ("--init-from", "runs/base", "--data", "data/pairs", "--max-iters", "1")
    cli("train", "--objective", "reward", *flags, "--out", "runs/reward")
    load("judged_by_kind", monkeypatch)["main"]("runs/reward", "data/pairs")
    rows = capsys.readouterr().out.splitlines()[1:]
    assert [row.split("  ")[0].strip() for row in rows] == ["form", "content", "form and content"]
    assert all(int(row.split()[-2]) > 0 for row in rows)
    assert all(0 <= float(row.split()[-1].rstrip("%")) <= 100 for row in rows)
