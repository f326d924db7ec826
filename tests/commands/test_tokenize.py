import io
import json
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from gptcli.commands.token_view import token_view
from gptcli.data.tokenization.characters import character_tokenizer

_STREAM = SimpleNamespace(isatty=lambda: True)
TERMINAL = SimpleNamespace(stdin=_STREAM, stdout=_STREAM)


def test_without_a_dataset_the_characters_are_the_vocabulary(cli):
    done = cli("tokenize", "hii there")
    assert done.code == 0
    assert done.stdout.splitlines() == [
        "h i i · t h e r e",
        "2 3 3 0 5 2 1 4 1",
        "",
        "9 characters, 9 bytes, 9 tokens, 1.00 bytes per token, vocabulary 6 (char)",
    ]
    assert "characters of the text" in done.stderr


def test_newest_dataset_gives_the_lectures_ids(cli, shared):
    cli("prepare", shared / "data" / "tinyshakespeare.txt")
    done = cli("tokenize", "hii there", "--ids")
    assert done.stdout == "46 47 47 1 58 46 43 56 43\n"
    assert "data/tinyshakespeare" in done.stderr
    assert cli("tokenize", "--decode", "46 47 47 1 58 46 43 56 43").stdout == "hii there"


def test_ids_and_decode_are_inverse_on_pipes(cli):
    text = "line\r\n\0 [/x] \x1b]52 e\u0301😀"
    Path("t.json").write_text(character_tokenizer(text).to_json())
    ids = cli("tokenize", "--ids", "--tokenizer", "t.json", stdin=text).stdout
    assert cli("tokenize", "--decode", "-", "--tokenizer", "t.json", stdin=ids).stdout == text


@pytest.mark.parametrize("listed", ["0 1 1", "0,1,1", " 0, 1,\n1 "])
def test_ids_are_separated_by_spaces_or_commas(cli, listed):
    Path("t.json").write_text(character_tokenizer("ab").to_json())
    assert cli("tokenize", "--decode", listed, "--tokenizer", "t.json").stdout == "abb"


def test_file_and_stdin_are_tokenized(cli):
    Path("a.txt").write_text("abc")
    expected = cli("tokenize", "abc").stdout
    assert cli("tokenize", "--file", "a.txt").stdout == expected
    assert cli("tokenize", stdin="abc").stdout == expected
    assert cli("tokenize", "-", stdin="abc").stdout == expected


def test_json_has_schema_ids_pieces_and_counts(cli):
    answer = json.loads(cli("tokenize", "né", "--json").stdout)
    assert answer["schema"] == "gptcli.tokens/1"
    assert (answer["ids"], answer["pieces"], answer["text"]) == ([0, 1], ["n", "é"], "né")
    assert (answer["characters"], answer["bytes"], answer["tokens"]) == (2, 3, 2)
    assert answer["bytes_per_token"] == 1.5
    assert answer["tokenizer"]["vocab_size"] == 2


def test_json_of_decoded_ids_has_the_text(cli):
    Path("t.json").write_text(character_tokenizer("ab").to_json())
    answer = json.loads(
        cli("tokenize", "--decode", "1 0", "--tokenizer", "t.json", "--json").stdout
    )
    assert answer["text"] == "ba"


def test_large_text_is_capped_and_says_how_to_get_all(cli):
    done = cli("tokenize", stdin="ab" * 1000)
    assert "the first 1,000 of 2,000 tokens are shown: --ids prints all" in done.stderr
    assert "2,000 tokens" in done.stdout
    assert len(cli("tokenize", "--ids", stdin="ab" * 1000).stdout.split()) == 2000


def test_unseen_character_in_the_argument_is_a_usage_error(cli):
    Path("t.json").write_text(character_tokenizer("ab").to_json())
    done = cli("tokenize", "aé", "--tokenizer", "t.json")
    assert done.code == 2
    assert "'é' (U+00E9) at offset 1" in done.stderr
    assert "--tokenizer" in done.stderr


def test_unseen_character_in_a_file_is_bad_data(cli):
    Path("t.json").write_text(character_tokenizer("ab").to_json())
    Path("a.txt").write_text("aé")
    assert cli("tokenize", "--file", "a.txt", "--tokenizer", "t.json").code == 3


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (["text", "--file", "a.txt"], 2),
        (["text", "--decode", "1"], 2),
        (["text", "--ids", "--json"], 2),
        (["--decode", "1"], 2),
        (["--decode", "one", "--tokenizer", "t.json"], 2),
        (["--decode", "-1", "--tokenizer", "t.json"], 2),
        (["--decode", "99", "--tokenizer", "t.json"], 2),
        (["--decode", "9" * 30, "--tokenizer", "t.json"], 2),
        (["--decode", "", "--tokenizer", "t.json"], 2),
        (["--file", "none.txt"], 2),
        (["--file", "."], 2),
        (["text", "--tokenizer", "none"], 2),
        (["text", "--tokenizer", "bad.json"], 4),
        ([""], 3),
        ([" \n"], 3),
        (["-"], 3),
        ([], 3),
        (["--file", "bad.txt"], 3),
        (["a\udcff"], 2),
    ],
)
def test_wrong_use_is_one_line_with_its_code(cli, argv, code):
    Path("t.json").write_text(character_tokenizer("ab").to_json())
    Path("bad.json").write_text('{"version": "1.0"}')
    Path("bad.txt").write_bytes(b"ok \xff")
    done = cli("tokenize", *argv)
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.code == code
    assert len(errors) == 1
    assert done.stderr.splitlines()[-1] == errors[0]
    assert done.stdout == ""


def test_nothing_on_a_terminal_asks_for_text(cli, monkeypatch):
    monkeypatch.setattr("gptcli.commands.tokenize_text.sys", TERMINAL)
    done = cli("tokenize")
    assert done.code == 2
    assert 'gptcli tokenize "hii there"' in done.stderr


def test_decoded_escapes_do_not_reach_a_terminal(cli, monkeypatch):
    Path("t.json").write_text(character_tokenizer("\x1b[2J").to_json())
    ids = cli("tokenize", "\x1b[2J", "--ids", "--tokenizer", "t.json").stdout
    monkeypatch.setattr("gptcli.commands.tokenize_text.sys", TERMINAL)
    assert cli("tokenize", "--decode", ids, "--tokenizer", "t.json").stdout == "\\x1b[2J\n"


def shown(text: str, width: int = 80, **console) -> str:
    tokenizer = character_tokenizer(text)
    ids = tokenizer.encode(text).tolist()
    view = token_view([tokenizer.piece(number) for number in ids], ids, width)
    file = io.StringIO()
    Console(file=file, width=width, markup=False, highlight=False, **console).print(
        view, soft_wrap=True
    )
    return file.getvalue()


def test_markup_and_escapes_are_printed_literally():
    pieces = shown("[/x]\x1b]52</script>").splitlines()[0].split()
    assert "".join(pieces) == "[/x]\\x1b]52</script>"


@pytest.mark.parametrize("width", [1, 5, 17, 40, 80])
def test_no_line_is_wider_than_the_terminal(width):
    from rich.cells import cell_len

    lines = shown("To be, or not to be 漢字\n" * 3, width).splitlines()
    assert max(map(cell_len, lines)) <= max(width, 2)


def test_a_newline_ends_the_row():
    rows = shown("ab\nba\n").splitlines()
    assert [row.split() for row in rows if row][::2] == [["a", "b", "⏎"], ["b", "a", "⏎"]]


def test_ids_stand_beneath_their_pieces():
    top, below = shown("漢ab\x1b").splitlines()[:2]
    assert top == "漢 a b \\x1b"
    assert below == "3  1 2 0"


def test_colours_go_to_terminals_alone(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[" in shown("abc", force_terminal=True, color_system="256")
    assert "\x1b" not in shown("abc")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in shown("abc", force_terminal=True, color_system="256")


def test_neighbours_differ_in_colour(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    view = shown("aaaa", force_terminal=True, color_system="standard").splitlines()[0]
    colours = re.findall(r"\x1b\[30;(\d+)m", view)
    assert len(colours) == 4
    assert all(one != next_one for one, next_one in pairwise(colours))


def test_closed_pipe_ends_quietly(tmp_path):
    (tmp_path / "big.txt").write_text("abcdefgh\n" * 200_000)
    command = [sys.executable, "-m", "gptcli", "tokenize", "--ids", "--file", "big.txt", "-q"]
    # Unbuffered, Python takes a write that the reader cut short for a whole one.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=tmp_path, env=env, stdout=pipe, stderr=pipe) as process:
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


def test_c_locale_prints_utf8(run_gptcli):
    env = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    done = run_gptcli("tokenize", "-", env=env, stdin="größe")
    assert "g r ö ß e" in done.stdout
