import json
import re

import pytest

from gptcli.config.data import PrepareConfig
from gptcli.data.preparation.prepare import Preparation, prepare
from gptcli.runtime.progress import Unwatched

END = "<|endoftext|>"


@pytest.fixture
def notes_of(tmp_path):
    """``notes_of(source, ...)``: what is noted when these sources are prepared."""

    def notes_of(*sources):
        told = []

        class Notes(Unwatched):
            def note(self, message):
                told.append(message)

        preparation = Preparation(list(sources), config=PrepareConfig(val_fraction=0))
        prepare(preparation, tmp_path / "set", overwrite=True, watch=Notes())
        return [one for one in told if "too few to divide" not in one]

    return notes_of


def test_a_mark_and_carriage_returns_are_said_with_a_command_that_drops_them(
    notes_of, write, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    write("a b.txt", "\ufeffone\r\ntwo\r\n" * 20)
    (note,) = notes_of("a b.txt")
    assert note == (
        "a b.txt has a byte order mark (U+FEFF) and 40 carriage returns (U+000D) in the text, "
        r"which become tokens: to drop them, tail -c +4 'a b.txt' | tr -d '\r' > clean.txt"
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("\ufeffone line", "to drop it, tail -c .4 "),
        ("one\r\nline" * 2, "2 carriage returns .* to drop them, tr -d '.r' < "),
        ("one line\r", "1 carriage return .* becomes a token: to drop it, tr '.r' '.n' < "),
    ],
)
def test_each_sign_is_named_alone(notes_of, write, text, says):
    (note,) = notes_of(write("a.txt", text))
    assert re.search(says, note), note


def test_ordinary_text_is_not_commented(notes_of, write):
    assert notes_of(write("a.txt", "plain\ntext <b>bold</b>\n" * 9)) == []


@pytest.mark.parametrize("shift", range(0, 16, 3))
def test_separators_are_counted_also_where_chunks_meet(notes_of, write, shift):
    text = "x" * (2**18 - shift) + END + "y" * 1000 + END
    (note,) = notes_of(write("a.txt", text))
    assert f"has {END} written out 2 times" in note
    assert f"--split-on '{END}'" in note


def test_separators_in_records_have_no_flag(notes_of, records):
    (note,) = notes_of(records("a.jsonl", [{"text": f"one{END}"}, {"text": "two"}]))
    assert f"has {END} written out once" in note
    assert "--split-on" not in note


def test_several_files_share_a_note(notes_of, write):
    first, second = write("a.txt", "one\r\n"), write("b.txt", "two\r\n")
    (note,) = notes_of(first, second)
    assert note.startswith(f"{first} and 1 other file have 2 carriage returns")
    assert "clean.txt" not in note


def test_text_of_records_is_searched_once_decoded(notes_of, write):
    (note,) = notes_of(write("a.jsonl", json.dumps({"text": "one\r\ntwo"}) + "\n"))
    assert "1 carriage return" in note
