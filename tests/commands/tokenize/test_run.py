import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gptcli.tokenization.trainer import character_tokenizer


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


def test_several_files_are_one_text_in_their_order(cli):
    Path("b.txt").write_text("ba")
    Path("a.txt").write_text("ac")
    argv = ("--tokenizer", "byte", "--ids")
    done = cli("tokenize", "--file", "b.txt", "--file", "a.txt", *argv)
    assert done.stdout == "98 97 97 99\n"
    assert cli("tokenize", "--file", "b.txt", "a.txt", *argv).stdout == done.stdout
    assert cli("tokenize", "--file", "*.txt", *argv).stdout == "97 99 98 97\n"


def test_of_records_the_text_is_tokenized(cli):
    Path("a.jsonl").write_text('{"text": "ab", "other": "xyz"}\n{"text": "c"}\n')
    argv = ("tokenize", "--file", "a.jsonl", "--tokenizer", "byte", "--ids")
    assert cli(*argv).stdout == "97 98 99\n"
    Path("a.jsonl").write_text('{"other": "xy"}\n')
    assert cli(*argv, "--field", "other").stdout == "120 121\n"


def test_a_bad_record_is_named_with_its_line(cli):
    Path("a.jsonl").write_text('{"text": "ab"}\n{"text": 1}\n')
    for argv in (("--ids",), ("--train", "bpe:300", "--out", "tok")):
        done = cli("tokenize", "--file", "a.jsonl", *argv)
        assert done.code == 3
        assert "a.jsonl, line 2" in done.stderr


def test_invalid_bytes_are_replaced_or_ignored_on_demand(cli):
    Path("bad.txt").write_bytes(b"a\xffb")
    argv = ("tokenize", "--file", "bad.txt", "--tokenizer", "byte", "--json", "--errors")
    assert json.loads(cli(*argv, "replace").stdout)["text"] == "a\ufffdb"
    assert json.loads(cli(*argv, "ignore").stdout)["text"] == "ab"


def test_an_unseen_character_in_a_file_is_named_with_its_line(cli):
    Path("t.json").write_text(character_tokenizer("ab\n").to_json())
    Path("a.txt").write_text("ab\nab\naéb")
    done = cli("tokenize", "--file", "a.txt", "--tokenizer", "t.json")
    assert done.code == 3
    assert "'é' (U+00E9) at line 3" in done.stderr


@pytest.mark.parametrize("form", [("--ids",), ("--json",), ()])
def test_long_files_come_out_as_in_one_piece(cli, form):
    """The chunks that files are read in cannot be seen."""
    text = "to be, or not to be\n" * 120_000  # more than two chunks
    Path("a.txt").write_text(text)
    done = cli("tokenize", "--file", "a.txt", "--tokenizer", "char", *form)
    ids = character_tokenizer(text).encode(text).tolist()
    if form == ("--ids",):
        assert done.stdout == " ".join(map(str, ids)) + "\n"
    elif form == ("--json",):
        answer = json.loads(done.stdout)
        assert answer["ids"] == ids
        assert answer["text"] == "".join(answer["pieces"]) == text
    else:
        assert f"{len(text):,} characters, {len(text):,} bytes, {len(ids):,} tokens" in done.stdout


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (["--file", "none.txt"], 2),
        (["text", "--tokenizer", "none/such/path"], 2),
        (["text", "--tokenizer", "bad.json"], 4),
        ([""], 3),
        ([" \n"], 3),
        (["-"], 3),
        ([], 3),
        (["--file", "blank.txt"], 3),
        (["--file", "empty.txt"], 3),
        (["--file", "bad.txt"], 3),
        (["--file", "binary.bin"], 3),
        (["a\udcff"], 2),
        (["two", "words"], 2),
    ],
)
def test_wrong_use_is_one_line_with_its_code(cli, argv, code):
    Path("bad.json").write_text('{"version": "1.0"}')
    Path("bad.txt").write_bytes(b"ok \xff")
    Path("blank.txt").write_text(" \n\n")
    Path("empty.txt").write_text("")
    Path("binary.bin").write_bytes(bytes(range(256)))
    done = cli("tokenize", *argv)
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.code == code
    assert len(errors) == 1
    assert done.stderr.splitlines()[-1] == errors[0]
    assert done.stdout == ""


def test_invalid_utf8_is_named_with_its_offset(cli):
    Path("bad.txt").write_bytes(b"one\ntwo \xff")
    assert "offset 8" in cli("tokenize", "--file", "bad.txt").stderr


def test_nothing_on_a_terminal_asks_for_text(cli, monkeypatch):
    monkeypatch.setattr("gptcli.commands.tokenize.command.stdin_is_terminal", lambda: True)
    done = cli("tokenize")
    assert done.code == 2
    assert 'gptcli tokenize "hii there"' in done.stderr


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


def test_names_and_tokens_cannot_command_a_terminal(cli):
    name = "[b]\x1b]52\x9b\udcff.txt"
    Path(name).write_text("a\x1b[2J\u202e")
    for argv in ((), ("--compare", "char,byte"), ("--train", "char", "--out", "tok")):
        done = cli("tokenize", "--file", name, *argv)
        assert done.code == 0, done.stderr
        assert not set(done.stdout + done.stderr) & set("\x1b\x9b\u202e")
    for form in ("table", "json", "html"):
        argv = ("--file", name, "--format", form, "--out", f"out.{form}")
        assert cli("tokenize", *argv).code == 0
    assert cli("tokenize", "--file", name, "--compare", "char", "--out", "c.txt").code == 0
    assert "[b]\\x1b]52\\x9b\\udcff.txt" in Path("c.txt").read_text()


def test_neither_torch_nor_what_this_needs_not_is_imported(tmp_path):
    (tmp_path / "a.txt").write_text("hii there")
    code = (
        "import sys; from gptcli.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'matplotlib', 'transformers', 'jinja2', 'huggingface_hub'}\n"
        "print(*heavy & set(sys.modules), file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, "tokenize", "--file", "a.txt", "-q"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    assert done.stderr == b"\n"
    assert b"9 tokens" in done.stdout


def test_c_locale_prints_utf8(run_gptcli):
    env = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    done = run_gptcli("tokenize", "-", env=env, stdin="größe")
    assert "g r ö ß e" in done.stdout


def test_records_are_found_under_any_name_and_a_field_has_an_effect(cli):
    lines = "".join(json.dumps({"text": text}) + "\n" for text in ("xy", "x"))
    Path("a.json").write_text(lines)
    Path("a.txt").write_text("xy")
    byte = ("--tokenizer", "byte", "--ids")
    assert cli("tokenize", "--file", "a.json", *byte).stdout.split() == ["120", "121", "120"]
    from_stdin = cli("tokenize", "--file", "-", "--field", "text", *byte, stdin=lines)
    assert from_stdin.stdout.split() == ["120", "121", "120"]
    raw = cli("tokenize", "--file", "-", *byte, stdin=lines).stdout.split()
    assert bytes(map(int, raw)).decode() == lines
    for argv in (["--file", "a.txt"], ["words"]):
        done = cli("tokenize", *argv, "--field", "text", *byte)
        assert (done.code, done.stdout) == (2, "")
        assert "--field text" in done.stderr


def test_utf16_is_refused_with_the_command_that_converts_it(cli):
    Path("a.txt").write_bytes(("To be or not to be. " * 9).encode("utf-16-le"))
    done = cli("tokenize", "--file", "a.txt", "--tokenizer", "byte")
    assert done.code == 3
    assert "iconv -f UTF-16LE -t UTF-8" in done.stderr
