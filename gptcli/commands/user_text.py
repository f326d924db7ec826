"""A text of the user, from an argument, a file or stdin, and the error if it has no ids."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gptcli.data.source_text import SourceText, decode_text, read_text
from gptcli.tokenization.unseen import UnseenCharacterError, unseen_error

_LARGEST = 16_000_000  # bytes; tokens take up to thirty times that


def given_text(
    flag: str,
    argument: str | None,
    file: Path | None,
    limit: int = _LARGEST,
    remedy: str = "give a part of it",
) -> SourceText:
    """The text of ``file``, else of the ``argument`` of ``flag``, which may be empty.

    Raises what ``read_text`` does with ``limit`` and ``remedy``, and DataError for an empty file.
    """
    if file is None:
        return decode_text(os.fsencode(argument or ""), flag)
    source = read_text(file, limit, remedy)
    return source if source.text else source.checked()


@contextmanager
def explaining_unseen(
    source: SourceText, remedy: str, *, is_prompt: bool, origin: Path | None = None
) -> Iterator[None]:
    """Turn the error for a character without an id into one that tells what to do.

    It is a UsageError in a prompt or an argument, a DataError in any other text; ``origin`` is
    the directory of the tokenizer, for the message.
    """
    try:
        yield
    except UnseenCharacterError as error:
        raise unseen_error(
            error,
            source.name,
            remedy,
            is_prompt=is_prompt,
            origin=None if origin is None else origin.as_posix(),
        ) from error
