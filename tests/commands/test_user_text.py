"""A character without a token: wrong usage in a prompt or an argument, bad data in a text."""

import pytest


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (("sample", "--prompt", "eé"), 2),
        (("sample", "--prompt-file", "odd.txt"), 2),
        (("inspect-attention", "--text", "eé"), 2),
        (("inspect-attention", "--file", "odd.txt"), 3),
        (("eval", "--file", "odd.txt"), 3),
    ],
)
def test_it_has_one_exit_code_by_one_rule(cli, trained, argv, code) -> None:
    (trained / "odd.txt").write_text("eé", encoding="utf-8")
    done = cli(*argv)
    assert done.code == code
    assert "character 'é' (U+00E9) at offset 1 is not in the vocabulary" in done.stderr
