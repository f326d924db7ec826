import io
import re
from itertools import pairwise

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from gptcli.commands.tokenize.merge_steps import append_wrapped
from gptcli.commands.tokenize.token_view import token_view
from gptcli.commands.view.canvas import clipped
from gptcli.tokenization.trainer import character_tokenizer
from gptcli.tokenization.vocabulary import Vocabulary, VocabularyEntry


def shown(text: str, width: int = 80, **console) -> str:
    tokenizer = character_tokenizer(text)
    ids = tokenizer.encode(text).tolist()
    book = Vocabulary(tokenizer)
    return printed(token_view([book.entry(number) for number in ids], width), width, **console)


def printed(view: Text, width: int, **console) -> str:
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


@pytest.mark.parametrize("width", [8, 20, 79])
def test_a_token_wider_than_the_terminal_is_cut_with_a_mark(width):
    lines = printed(token_view([VocabularyEntry(7, b"x" * 100, False)], width), width).splitlines()
    assert lines[0] == "x" * (width - 1) + "…"


@pytest.mark.parametrize("width", [12, 30])
def test_wrapped_labels_stay_in_their_column(width):
    text = Text("name ")
    labels = ["漢字", "word", "x" * 40, "y"] * 3
    append_wrapped(text, labels, 5, width)
    first, *rest = text.plain.split("\n")
    assert first.startswith("name ") and all(line.startswith(" " * 5) for line in rest)
    assert max(cell_len(line) for line in [first, *rest]) <= width
    assert "".join(text.plain.split()[1:]) == "".join(clipped(one, width - 5) for one in labels)
