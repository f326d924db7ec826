import json
from pathlib import Path

import pytest
from rich.cells import cell_len

from gptcli.tokenization.trainer import character_tokenizer


def entries(cli, *argv) -> list[dict]:
    return json.loads(cli("tokenize", "--vocab", *argv, "--json").stdout)["entries"]


def test_all_entries_are_listed_in_the_order_of_their_ids(cli, bpe):
    found = entries(cli, "--tokenizer", bpe)
    assert [entry["id"] for entry in found] == list(range(280))
    for entry in found:
        content = bytes.fromhex(entry["bytes"])
        assert content.decode("utf-8", "replace") == entry["piece"]
        assert len(content) == entry["length"]
    special = [entry["piece"] for entry in found if entry["special"]]
    assert special == ["<|endoftext|>"]


def test_text_or_an_id_is_searched_for(cli, bpe):
    found = entries(cli, "at", "--tokenizer", bpe)
    assert found
    assert all("at" in entry["piece"] for entry in found)
    assert entries(cli, "270", "--tokenizer", bpe)[0]["id"] == 270
    assert entries(cli, "·the", "--tokenizer", bpe)[0]["piece"].startswith(" the")


def test_what_is_not_there_is_said(cli, bpe):
    done = cli("tokenize", "--vocab", "xyzzy", "--tokenizer", bpe)
    assert (done.code, done.stdout) == (2, "")
    assert "xyzzy" in done.stderr


def test_the_table_shows_id_length_token_and_bytes(cli):
    Path("t.json").write_text(character_tokenizer("a\n é", unk=True).to_json())
    lines = cli("tokenize", "--vocab", "--tokenizer", "t.json").stdout.splitlines()
    assert [line.split() for line in lines] == [
        ["id", "length", "token", "bytes"],
        ["0", "1", "⏎", "0a"],
        ["1", "1", "·", "20"],
        ["2", "1", "a", "61"],
        ["3", "2", "é", "c3", "a9"],
        ["4", "5", "<unk>", "special"],
    ]


def test_the_number_is_limited_on_terminals_alone(cli, bpe, monkeypatch):
    assert len(cli("tokenize", "--vocab", "--tokenizer", bpe).stdout.splitlines()) == 281
    limited = cli("tokenize", "--vocab", "--tokenizer", bpe, "--limit", 3)
    assert len(limited.stdout.splitlines()) == 4
    assert "the first 3 of 280" in limited.stderr
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setenv("NO_COLOR", "1")
    done = cli("tokenize", "--vocab", "--tokenizer", bpe)
    assert len(done.stdout.splitlines()) == 101
    assert "--limit 280" in done.stderr
    assert max(map(cell_len, done.stdout.splitlines())) <= 30


def test_a_code_book_of_a_text_needs_the_text(cli, bpe, bpe_text):
    found = entries(cli, "--tokenizer", "char", "--file", "a.txt")
    assert [entry["piece"] for entry in found] == sorted(set(bpe_text))


def test_escapes_in_a_vocabulary_do_nothing(cli):
    Path("t.json").write_text(character_tokenizer("\x1b\x9b\u202e[").to_json())
    for more in ((), ("--json",)):
        out = cli("tokenize", "--vocab", "--tokenizer", "t.json", *more).stdout
        assert not set(out) & set("\x1b\x9b\u202e")


def test_merges_end_with_what_encoding_gives(cli, bpe):
    answer = json.loads(
        cli("tokenize", "--merges", "the cats", "--tokenizer", bpe, "--json").stdout
    )
    ids = cli("tokenize", "the cats", "--tokenizer", bpe, "--ids").stdout
    assert answer["schema"] == "gptcli.merges/1"
    assert " ".join(map(str, answer["ids"])) == ids.strip()
    assert answer["steps"][0]["pieces"] == ["t", "h", "e"]
    ranks = [step["rank"] for step in answer["steps"] if step["part"] == 0][1:]
    assert ranks == sorted(ranks)


def test_gpt2s_merges_of_there(cli, shared):
    done = cli("tokenize", "--merges", " there", "--tokenizer", shared / "data" / "gpt2")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[1] == ["·", "t", "h", "e", "r", "e"]
    assert lines[2] == ["1", "0", "·", "+", "t", "·t", "h", "e", "r", "e"]
    assert lines[6] == ["5", "356", "·the", "+", "re", "·there"]
    assert lines[-2:] == [["·there"], ["612"]]


@pytest.mark.parametrize("width", ["30", "40", "100"])
def test_merges_fit_the_terminal(cli, bpe, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", width)
    done = cli("tokenize", "--merges", "mats on cats on the mats 漢字", "--tokenizer", bpe)
    assert done.code == 0
    assert max(map(cell_len, done.stdout.splitlines())) <= int(width)
    assert ("+" in done.stdout) == (width == "100")


def test_a_word_that_is_not_utf8_is_refused(cli, bpe):
    done = cli("tokenize", "--merges", "hi\udcff", "--tokenizer", bpe)
    assert (done.code, done.stdout) == (2, "")
    assert "--merges WORD is not valid UTF-8 at character 2" in done.stderr


def test_what_does_not_merge_is_refused(cli):
    Path("t.json").write_text(character_tokenizer("ab").to_json())
    done = cli("tokenize", "--merges", "ab", "--tokenizer", "t.json")
    assert (done.code, done.stdout) == (2, "")
