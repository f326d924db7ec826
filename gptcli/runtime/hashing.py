"""The sha256 of files; apart from files.py, since hashlib would slow down every start."""

import hashlib
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
            while block := file.read(_BLOCK):
                digest.update(block)
                advance(len(block))
    return digest.hexdigest()
