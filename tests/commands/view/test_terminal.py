"""What a terminal shows: colours of messages, and an error that begins on a line of its own."""

import os
from collections.abc import Iterator

import pytest

from gptcli.commands.view import terminal
from gptcli.commands.view.answer import Answer
from gptcli.commands.view.canvas import Canvas
from gptcli.commands.view.drawing import SECONDARY, style
from gptcli.commands.view.output import Output
from gptcli.commands.view.terminal import complain, note, warn
from gptcli.commands.view.writer import give
from gptcli.errors import GptcliError


@pytest.fixture
def on_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(terminal, "is_interactive", lambda: os.environ["TERM"] != "dumb")


def test_errors_and_warnings_have_a_colour_on_a_terminal(on_terminal, capsys) -> None:
    complain("no \x1b[2J")
    warn("careful")
    note("plain")
    red, amber, plain = capsys.readouterr().err.splitlines()
    assert red == "\x1b[1;31merror: \x1b[0mno \\x1b[2J"
    assert amber.startswith("\x1b[1;38;5;130mwarning: \x1b[0m")
    assert plain == "plain"


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colours_can_be_turned_off(on_terminal, monkeypatch, capsys, name, value) -> None:
    monkeypatch.setenv(name, value)
    complain("no")
    assert capsys.readouterr().err == "error: no\n"


def test_a_pipe_has_no_colours(capsys) -> None:
    complain("no")
    assert capsys.readouterr().err == "error: no\n"
    assert terminal.is_interactive() is False


def test_a_message_never_prints_a_huge_value(capsys) -> None:
    complain("x" * 3_000_000 + "\x1b")
    said = capsys.readouterr().err
    assert len(said) < 4100
    assert said.endswith(" more characters)\n")


def test_an_error_never_stands_behind_a_text(capsys) -> None:
    def pieces(last: str) -> Iterator[str]:
        yield last
        raise GptcliError("broken")

    for last, shown in (("To be", "To be\n"), ("To be\n", "To be\n")):
        with pytest.raises(GptcliError):
            give(Answer(pieces=pieces(last)), Output("text"))
        assert capsys.readouterr().out == shown


def test_secondary_text_is_legible_on_white_and_on_black() -> None:
    colour = style(Canvas(in_colour=True), SECONDARY).color
    assert colour is not None
    channels = [value / 255 for value in colour.get_truecolor()]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    luminance = sum(part * c for part, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    assert 1.05 / (luminance + 0.05) >= 4.5
    assert (luminance + 0.05) / 0.05 >= 4.5
