"""Dividing a text into documents at a separator that is spelt out in it."""

from collections.abc import Iterator
from typing import TextIO

from gptcli.errors import DataError

LONGEST_DOCUMENT = 2**25  # characters, so that its record is not too long to be read
_STEP = 2**20


def split_documents(file: TextIO, separator: str, name: str, step: int = _STEP) -> Iterator[str]:
    """The texts between the separators, without the line breaks beside these.

    Empty ones are left out. Raises DataError for a document that is too long.
    """
    pending = ""
    while more := file.read(step):
        *whole, pending = (pending + more).split(separator)
        yield from filter(None, (text.strip("\r\n") for text in whole))
        if len(pending) > LONGEST_DOCUMENT:
            raise DataError(
                f"{name} has {LONGEST_DOCUMENT // 2**20} MiB without {separator!r}: "
                "check --split-on, or leave it out"
            )
    if last := pending.strip("\r\n"):
        yield last
