"""The reason that another library gives, as it stands in a message."""

import pytest

from gptcli.errors import reason_of


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("bad\nand more"), "bad"),
        (ValueError("\n  bad"), "bad"),
        (ValueError(), "ValueError"),
        (RuntimeError("  "), "RuntimeError"),
        (ValueError("x" * 900), "x" * 200),
    ],
)
def test_it_is_one_short_line_and_never_empty(error: Exception, reason: str) -> None:
    assert reason_of(error) == reason
