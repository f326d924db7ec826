"""The sha256 of files; apart from files.py, since hashlib would slow down every start."""

import hashlib
from collections.abc import Iterable
from io import BufferedReader, RawIOBase
from pathlib import Path

from gptcli.runtime.progress import Advance, no_progress

_BLOCK = 2**20


def sha256_of(*paths: Path, advance: Advance = no_progress) -> str:
    """The sha256 of the content of files, one after another; ``advance`` gets the bytes read.

    Raises OSError where a file cannot be read.
    """
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            _update(digest, file, advance)
    return digest.hexdigest()


def sha256_of_streams(streams: Iterable[RawIOBase]) -> str:
    """The sha256 of the content of open files, one after another, each from its beginning."""
    digest = hashlib.sha256()
    for stream in streams:
        stream.seek(0)
        _update(digest, stream, no_progress)
    return digest.hexdigest()


def _update(digest: "hashlib._Hash", file: RawIOBase | BufferedReader, advance: Advance) -> None:
    while block := file.read(_BLOCK):
        digest.update(block)
        advance(len(block))
