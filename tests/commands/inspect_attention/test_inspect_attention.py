import csv
import json
from itertools import product

import pytest
from rich.cells import cell_len

from gptcli.commands.inspect_attention.attention_document import attention_document
from gptcli.commands.inspect_attention.heatmap import draw_rows, plan
from gptcli.commands.view.canvas import Canvas
from gptcli.commands.view.documents import document_chunks
from gptcli.commands.view.palette import sequential
from gptcli.generation.loaded_model import load_model
from gptcli.inspection.capture import record
from gptcli.inspection.patterns import head_patterns
from gptcli.inspection.report import Guess, Prediction, Token, report_attention

HOSTILE = "[/x]\x1b]52;</script>\u202e\x00"
WIDE = "日本👩e\u0301"


@pytest.fixture
def coloured(monkeypatch):
    for name, value in (("FORCE_COLOR", "1"), ("COLORTERM", "truecolor"), ("TERM", "xterm")):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_the_view_has_a_grid_a_ranking_and_a_labelled_head(cli, model):
    outcome = cli("inspect-attention", model, "--text", "abc de", "--heads", "L1.H2")
    assert outcome.code == 0
    for part in ("H0    H1    H2", "L2  ", "Heads by entropy, lowest", "Head L1.H2", "looks at"):
        assert part in outcome.stdout
    assert "next '" in outcome.stdout and "actual 'b' p=" in outcome.stdout
    assert "3 · " in outcome.stdout


def test_a_pipe_gets_no_escape_codes(cli, model):
    assert "\x1b" not in cli("inspect-attention", model, "--text", "abc").stdout


def test_no_color_beats_a_terminal_that_has_colours(cli, model, coloured, monkeypatch):
    assert "\x1b[" in cli("inspect-attention", model, "--text", "abc").stdout
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in cli("inspect-attention", model, "--text", "abc").stdout


def test_the_most_focused_head_is_the_brightest_of_the_grid(cli, model, coloured):
    shown = cli("inspect-attention", model, "--text", "abc de fgh").stdout
    heads = json.loads(cli("inspect-attention", model, "--text", "abc de fgh", "--json").stdout)
    entropies = [head["metrics"]["entropy"]["value"] for head in heads["heads"]]
    brightest, darkest = (f"48;2;{r};{g};{b}m" for r, g, b in (sequential(1.0), sequential(0.0)))
    assert f"{brightest} {min(entropies):.2f} " in shown
    assert f"{darkest} {max(entropies):.2f} " in shown
    assert f"Bright is {min(entropies):.2f} bits, dark is {max(entropies):.2f} bits." in shown


def test_a_masked_cell_is_no_zero(cli, model, coloured, monkeypatch):
    coloured_rows = cli("inspect-attention", model, "--text", "abc").stdout.splitlines()
    assert any("\x1b[48;2;" in row or ";48;2;" in row for row in coloured_rows)
    monkeypatch.setenv("NO_COLOR", "1")
    plain = cli("inspect-attention", model, "--text", "abc").stdout
    assert "0 a 100   .   . " in plain


@pytest.mark.parametrize("text", [HOSTILE, WIDE])
@pytest.mark.parametrize("width", [40, 80, 120])
def test_lines_fit_and_hostile_text_is_printed_literally(cli, model, monkeypatch, width, text):
    monkeypatch.setenv("COLUMNS", str(width))
    shown = cli("inspect-attention", model, "--text", text[-16:], "--heads", "L0.H0").stdout
    assert max(cell_len(line) for line in shown.splitlines()) <= width
    assert not any(character in shown for character in "\x1b\u202e\x00")


def test_hostile_tokens_are_literal_in_colour_too(cli, model, coloured):
    shown = cli("inspect-attention", model, "--text", "[/x]\x1b]52;").stdout
    assert "\x1b]" not in shown
    assert "\\x1b" in shown


def test_a_text_wider_than_the_window_says_what_is_left_out(cli, model, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    shown = cli("inspect-attention", model, "--text", "abcdefghabcdefgh").stdout
    assert "tokens fit" in " ".join(shown.split())
    assert "…" in shown


def test_a_text_longer_than_the_context_is_cut_to_its_last_tokens_and_said_once(cli, model):
    outcome = cli("inspect-attention", model, "--json", "--text", "a" * 20 + "bcdefgh")
    tokens = json.loads(outcome.stdout)["tokens"]
    assert "".join(token["text"] for token in tokens) == "a" * 9 + "bcdefgh"
    assert outcome.stderr.count("only the last 16 are used") == 1


def test_json_holds_every_head_and_patterns_on_request(cli, model):
    document = json.loads(cli("inspect-attention", model, "--text", "abc", "--json").stdout)
    assert document["schema"] == "gptcli.attention/1"
    assert len(document["heads"]) == 9
    assert document["check"]["future_mass_max"] == 0
    assert document["check"]["fused_max_error"] < 1e-6
    argv = ("--text", "abc", "--json", "--patterns", "--heads", "L2.H1", "--sort", "self")
    chosen = json.loads(cli("inspect-attention", model, *argv).stdout)["heads"]
    assert [(head["layer"], head["head"]) for head in chosen] == [(2, 1)]
    assert len(chosen[0]["pattern"]) == len(chosen[0]["pattern"][0]) == 3


def test_sort_orders_the_heads_of_the_document(cli, model):
    argv = ("--text", "abcd", "--json", "--sort", "previous_token")
    heads = json.loads(cli("inspect-attention", model, *argv).stdout)["heads"]
    values = [head["metrics"]["previous_token"]["value"] for head in heads]
    assert values == sorted(values, reverse=True)


def test_csv_holds_the_exact_metrics_of_the_ranked_heads(cli, model):
    argv = ("inspect-attention", model, "--text", "abcd", "--sort", "self")
    rows = list(csv.DictReader(cli(*argv, "--format", "csv").stdout.splitlines()))
    heads = json.loads(cli(*argv, "--json").stdout)["heads"]
    assert [row["head"] for row in rows] == [f"L{one['layer']}.H{one['head']}" for one in heads]
    for row, head in zip(rows, heads, strict=True):
        expected = {name: one["value"] for name, one in head["metrics"].items()}
        assert {name: float(row[name]) for name in expected} == expected
    chosen = cli(*argv, "--format", "csv", "--heads", "L2.H1,L0.H0").stdout
    assert {line.split(",")[0] for line in chosen.splitlines()} == {"head", "L2.H1", "L0.H0"}


def test_markdown_ranks_all_heads_with_all_metrics(cli, model):
    argv = ("inspect-attention", model, "--text", "abcd", "--format", "md")
    lines = cli(*argv).stdout.splitlines()
    assert lines[0] == "**Heads by entropy, lowest first**"
    assert lines[2].startswith("| head | entropy | relative entropy | first token | self |")
    assert len(lines) == 2 + 2 + 9


def test_one_token_is_shown_without_figures(cli, model):
    outcome = cli("inspect-attention", model, "--text", "a")
    assert outcome.code == 0
    measured = json.loads(cli("inspect-attention", model, "--text", "a", "--json").stdout)["heads"]
    assert measured[0]["metrics"]["entropy"] == {"value": None, "rows": 0}
    assert measured[0]["top"] == []


def test_text_comes_from_a_file_or_stdin_alike(cli, model, tmp_path):
    (tmp_path / "text.txt").write_text("abc\n", encoding="utf-8")
    from_file = cli("inspect-attention", model, "--file", "text.txt").stdout
    assert from_file == cli("inspect-attention", model, "--file", "-", stdin="abc\n").stdout
    assert "⏎" in from_file


def test_without_a_text_the_validation_split_is_looked_at(cli, model, tmp_path):
    (tmp_path / "input.txt").write_text("abcdefgh \n" * 40, encoding="utf-8")
    assert cli("prepare", "input.txt").code == 0
    outcome = cli("inspect-attention", model, "--json")
    tokens = json.loads(outcome.stdout)["tokens"]
    assert "text: the first 32 tokens of data/input/val" in outcome.stderr
    assert "".join(token["text"] for token in tokens) == ("abcdefgh \n" * 4)[16:32]


def test_out_takes_the_view_and_is_not_overwritten_unasked(cli, model, tmp_path, coloured):
    argv = ("inspect-attention", model, "--text", "abc", "--out", "view.txt")
    assert cli(*argv).stdout == ""
    assert "Head L" in (tmp_path / "view.txt").read_text(encoding="utf-8")
    assert "\x1b" not in (tmp_path / "view.txt").read_text(encoding="utf-8")
    assert cli(*argv).code == 2
    assert cli(*argv, "--overwrite").code == 0


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (("--text", ""), 3, "--text is empty"),
        (("--text", " \n"), 3, "white space"),
        (("--text", "abcü"), 2, "'ü' (U+00FC) at offset 3"),
        (("--text", "a", "--heads", "L3.H0"), 2, "L0.H0 to L2.H2"),
        (("--text", "a", "--metric", "entropyy"), 2, "did you mean entropy?"),
        (("--text", "a", "--sort", "x"), 2, "previous_token"),
        (("--text", "a", "--patterns"), 2, "--json"),
        (("--text", "a", "--file", "b"), 2, "cannot be combined: leave one out"),
        (("--file", "missing.txt"), 2, "missing.txt"),
        (("--text", "a", "--device", "abacus"), 2, "--device abacus"),
        ((), 2, "no --text or --file given"),
    ],
)
def test_mistakes_end_in_one_line_with_the_way_out(cli, model, argv, code, words):
    outcome = cli("inspect-attention", model, "-q", *argv)
    assert outcome.code == code
    assert outcome.stdout == ""
    assert words in outcome.stderr
    assert outcome.stderr.count("\n") == 1


def test_the_document_holds_what_the_schema_says(model):
    loaded = load_model(model, "cpu")
    recording = record(loaded.model, [0, 3, 8, 1, 1, 7, 2])
    report = report_attention(loaded, recording)
    assert "pattern" not in attention_document(report, report.heads, {})["heads"][0]
    patterns = head_patterns(loaded.model, recording, [head.head for head in report.heads])
    document = attention_document(report, report.heads, patterns)
    document = json.loads("".join(document_chunks("gptcli.attention/1", document)))
    assert document["model"]["n_head"] == 3
    places = [(head["layer"], head["head"]) for head in document["heads"]]
    assert places == list(product(range(3), range(3)))
    assert document["tokens"][2].keys() == {"i", "id", "text", "predicts"}
    assert document["heads"][0]["metrics"]["previous_token"]["rows"] == 6
    assert document["check"].keys() == {"row_sum_max_error", "future_mass_max", "fused_max_error"}
    for head in document["heads"]:
        query, key, weight = head["top"][0]
        assert head["pattern"][query][key] == weight == max(map(max, head["pattern"][1:]))
        assert [sum(row) for row in head["pattern"]] == pytest.approx([1] * 7, abs=1e-6)


def _heads(tokens: list[str], width: int) -> list[str]:
    guess = Prediction(Guess(0, "a", 0.5), None)
    shown = [Token(place, 0, text, guess) for place, text in enumerate(tokens)]
    canvas = Canvas(width)
    layout = plan(canvas, shown)
    rows = [[0.0] * layout.window.columns for _ in range(layout.window.n_tokens)]
    lines = [line.plain for line in draw_rows(canvas, layout, shown, rows)]
    return lines[: len(lines) - len(rows)]


def test_the_heads_of_columns_are_words_or_the_numbers_of_their_rows():
    pieces = ["attention", " of", " every", "token"]
    (words,) = _heads(pieces, 120)
    assert words.split() == ["attention", "·of", "·every", "token"]
    many = [f"word{n}" for n in range(12)]
    tens, ones = _heads(many, 60)
    assert (tens.split(), ones.split()) == (["1", "1"], [*"0123456789", "0", "1"])
    assert [head.split() for head in _heads(list("abcdefghijkl"), 50)] == [list("abcdefghijkl")]
