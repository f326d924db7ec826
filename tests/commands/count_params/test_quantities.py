"""Quantities mean what they say, and what could mean two things is refused."""

import pytest

from gptcli.commands.count_params.quantities import (
    parse_bytes,
    parse_contexts,
    parse_speed,
    parse_tokens,
)
from gptcli.errors import UsageError


def test_quantities() -> None:
    assert parse_contexts("1k, 2K,8192,1m") == (1024, 2048, 8192, 1048576)
    assert parse_tokens("300B") == 300 * 10**9
    assert parse_tokens("1.5t") == 15 * 10**11
    assert parse_bytes("24GB") == 24 * 10**9
    assert parse_bytes("24 GiB") == 24 * 2**30
    assert parse_bytes("0.5tb") == 5 * 10**11
    assert (
        parse_speed("312T") == parse_speed("312e12") == parse_speed("312 TFLOP/s") == 312 * 10**12
    )


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        *((parse_bytes, text) for text in ("24", "24G", "GB", "-1GB", "0GB", "1e99GB", "nanGB")),
        *((parse_contexts, text) for text in ("", "1k,", "1g", "0", "1e12", "--", "9" * 5000)),
        *((parse_tokens, text) for text in ("many", "300 apples", "1e30", "\x1b[2J")),
        *((parse_speed, text) for text in ("fast", "0", "1e99")),
    ],
)
def test_what_is_no_quantity_names_the_flag_and_an_example(parse, text: str) -> None:
    with pytest.raises(UsageError, match=r"^--[a-z-]+ '.*: try --"):
        parse(text)
