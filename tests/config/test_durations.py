"""Durations as they are typed."""

import pytest

from gptcli.config.durations import parsed_duration
from gptcli.errors import UsageError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("10m", 600), ("10min", 600), ("2h", 7200), ("1h30m", 5400), ("600", 600),
     ("1.5m", 90), (" 1H 5M ", 3900), ("1m30", 90)],
)  # fmt: skip
def test_it_is_read(text: str, seconds: float) -> None:
    assert parsed_duration("time_budget", text) == seconds


@pytest.mark.parametrize("text", ["", "0", "0s", "-5s", "10 parsecs", "nan", "inf", "1e3s", "1m1h"])
def test_anything_else_names_the_flag_and_a_way_out(text: str) -> None:
    with pytest.raises(UsageError, match=r"--time-budget .* is not a duration: try 90s, 10m or 2h"):
        parsed_duration("time_budget", text)


def test_more_than_a_year_is_said_to_be_that() -> None:
    with pytest.raises(UsageError, match="--time-budget '99999h' is longer than a year"):
        parsed_duration("time_budget", "99999h")
