import json
from pathlib import Path

import pytest
from rich.cells import cell_len

TEXT = "to be or not to be, that is the question\n" * 30


def rows(output: str) -> dict[str, list[str]]:
    lines = output.splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("tokenizer"))
    table = lines[start + 1 : lines.index("", start)]
    return {line.split()[0]: line.split()[1:5] for line in table}


def test_the_lectures_trade(cli, shared):
    data = shared / "data"
    names = f"char,{data / 'gpt2'}"
    done = cli("tokenize", "--file", data / "tinyshakespeare.txt", "--compare", names, "--json")
    char, gpt2 = json.loads(done.stdout)["tokenizers"]
    assert (char["vocab_size"], char["tokens"]) == (65, 1_115_394)
    assert (gpt2["vocab_size"], gpt2["tokens"]) == (50_257, 338_025)
    assert (char["used"], char["used_share"]) == (65, 1.0)
    assert gpt2["bytes_per_token"] == pytest.approx(1_115_394 / 338_025)


def test_the_table_has_the_figures_that_each_tokenizer_alone_gives(cli):
    Path("a.txt").write_text(TEXT)
    done = cli("tokenize", "--file", "a.txt", "--compare", "char, byte,bpe:270")
    assert done.code == 0
    found = rows(done.stdout)
    assert list(found) == ["char", "byte", "bpe:270"]
    for name, (vocabulary, tokens, ratio, used) in found.items():
        alone = cli("tokenize", "--file", "a.txt", "--tokenizer", name, "--ids").stdout.split()
        assert int(tokens.replace(",", "")) == len(alone)
        assert float(ratio) == pytest.approx(len(TEXT) / len(alone), abs=0.005)
        assert used == f"{len(set(alone)) / int(vocabulary):.1%}"
    assert found["bpe:270"][0] == "270"


def test_the_longest_tokens_are_of_the_text(cli):
    done = cli("tokenize", TEXT, "--compare", "bpe:300", "--json")
    longest = json.loads(done.stdout)["tokenizers"][0]["longest"]
    pieces = [entry["piece"] for entry in longest]
    assert pieces == sorted(pieces, key=len, reverse=True)
    assert all(piece in TEXT for piece in pieces)
    assert len(pieces[0]) > 2


def test_bars_are_as_long_as_the_counts(cli):
    lines = cli("tokenize", TEXT, "--compare", "char,bpe:300").stdout.splitlines()
    start = lines.index("tokens for this text")
    bars = [line.count("█") for line in lines[start + 1 : start + 3]]
    counts = [int(line.split()[-1].replace(",", "")) for line in lines[start + 1 : start + 3]]
    assert bars[0] == 50
    assert bars[1] == pytest.approx(50 * counts[1] / counts[0], abs=1)


@pytest.mark.parametrize("width", ["40", "60", "100"])
def test_lines_fit_the_terminal(cli, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", width)
    done = cli("tokenize", TEXT, "--compare", "char,bpe:300,byte")
    assert max(map(cell_len, done.stdout.splitlines())) <= int(width)
    assert "bpe:300" in done.stdout


def test_a_comparison_goes_to_a_file(cli):
    assert cli("tokenize", "abc", "--compare", "char,byte", "--out", "c.txt").code == 0
    assert rows(Path("c.txt").read_text(encoding="utf-8"))["char"][0] == "3"


def test_json_says_what_was_compared(cli):
    answer = json.loads(cli("tokenize", "né", "--compare", "char,byte", "--json").stdout)
    assert answer["schema"] == "gptcli.comparison/1"
    assert answer["text"] == {"name": "TEXT", "characters": 2, "bytes": 3}
    assert [one["tokens"] for one in answer["tokenizers"]] == [2, 3]


def test_unknown_names_suggest_the_nearest_kind(cli):
    done = cli("tokenize", "abc", "--compare", "char,bppe:300")
    assert done.code == 2
    assert "did you mean bpe:300?" in done.stderr
