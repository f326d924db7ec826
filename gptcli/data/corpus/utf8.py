"""Decoding bytes, with a choice for those that are not UTF-8."""

from typing import Literal, get_args

Errors = Literal["strict", "replace", "ignore"]
ERRORS: tuple[Errors, ...] = get_args(Errors)

_REPLACEMENT = "\ufffd"


def decode(content: bytes, errors: Errors) -> tuple[str, int]:
    """The text, and how many invalid sequences were replaced by U+FFFD or left out.

    A byte order mark stays, as a character. Raises UnicodeDecodeError if ``errors`` is strict.
    """
    try:
        return content.decode("utf-8"), 0
    except UnicodeDecodeError:
        if errors == "strict":
            raise
    replaced = content.decode("utf-8", "replace")
    # The text may already contain U+FFFD, which does not count.
    count = replaced.count(_REPLACEMENT) - content.count(_REPLACEMENT.encode())
    return (replaced if errors == "replace" else content.decode("utf-8", "ignore")), count
