"""Lines that are piped in, whatever their bytes and ends are."""

import io

import pytest

from gptcli.commands.view.terminal import typed_lines


def test_lines_come_without_their_ends_and_bytes_that_are_no_text_end_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(b"one\r\n\n\xff\nlast"), newline="")
    monkeypatch.setattr("sys.stdin", stdin)
    assert list(typed_lines("> ")) == ["one", "", "\udcff", "last"]
