"""The sha256 of files and records; not in files.py, since hashlib would slow down every start."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import Any

from gptcli.runtime.progress import Advance, no_progress

_BLOCK = 2**20
CHECKSUM = "checksum"


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


def with_checksum(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record, for a JSON file, with a checksum of all its other fields."""
    return {**record, CHECKSUM: _checksum(record)}


def is_as_written(record: Mapping[str, Any]) -> bool:
    """Whether a record is what was written; earlier versions wrote no checksum, which passes."""
    expected = _checksum(record)
    return bool(record.get(CHECKSUM, expected) == expected)


def _checksum(record: Mapping[str, Any]) -> str:
    others = {name: value for name, value in record.items() if name != CHECKSUM}
    return hashlib.sha256(json.dumps(others, sort_keys=True).encode()).hexdigest()


def _update(digest: "hashlib._Hash", file: RawIOBase | BufferedReader, advance: Advance) -> None:
    while block := file.read(_BLOCK):
        digest.update(block)
        advance(len(block))
