"""A bar of progress keeps its numbers, whatever the width of the terminal."""

import io

import pytest
from rich.console import Console

from gptcli.commands.view import progress_bar
from gptcli.commands.view.progress_bar import progress


@pytest.fixture(params=[40, 60, 100])
def shown(request, monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What a terminal of that width is sent."""
    written = io.StringIO()
    console = Console(file=written, width=request.param, force_terminal=True, color_system=None)
    monkeypatch.setattr(progress_bar, "progress_console", lambda: console)
    monkeypatch.setattr(progress_bar, "is_interactive", lambda: True)
    monkeypatch.setattr(progress_bar, "_PATIENCE", 0.0)
    return written


def test_a_bar_of_other_work_shows_its_share_and_no_markup(shown) -> None:
    with progress("reading input.txt", 1000, "bytes") as advance:
        advance(500)
    assert "reading input.txt" in shown.getvalue()
    assert " 50% " in shown.getvalue()
    assert "MB/s" in shown.getvalue()
    assert "[" not in shown.getvalue().replace("\x1b[", "")
