"""Durations in the two largest units."""

import pytest

from gptcli.commands.view.numbers import duration
from gptcli.config.checks import counted


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.9, "1 min"),
        (580, "9 min 40 s"),
        (3600, "1 h"),
        (50700, "14 h 5 min"),
        (172800, "2 days"),
        (273600, "3 days 4 h"),
    ],
)
def test_two_units_at_most(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_one_has_no_plural() -> None:
    assert [counted(n, "layer") for n in (0, 1, 1200)] == ["0 layers", "1 layer", "1,200 layers"]
