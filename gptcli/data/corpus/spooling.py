"""Copying inputs that can be read only once: stdin, pipes and built-in sources."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from gptcli.errors import ResourceError, UsageError
from gptcli.runtime.files import reported

_BLOCK = 2**20


def _copy(source: BinaryIO, name: str, target: Path) -> None:
    """Copy the rest of ``source`` into the new file ``target``, block by block.

    Raises ResourceError where reading ``name`` or writing is refused.
    """

    def copy(file: BinaryIO) -> None:
        while content := _read(source, name):
            file.write(content)

    write_copy(target, copy)


def copy_stdin(target: Path) -> None:
    """Copy stdin; UsageError where it is closed."""
    if sys.stdin is None:
        raise UsageError("stdin is closed: name a file instead of -")
    _copy(sys.stdin.buffer, "stdin", target)


def copy_pipe(path: Path, target: Path) -> None:
    """Copy a FIFO, until all writers have closed it."""
    try:
        source = path.open("rb")
    except OSError as error:
        raise ResourceError(f"cannot read {path}: {error.strerror or error}") from error
    with source:
        _copy(source, str(path), target)


def write_copy(target: Path, write: Callable[[BinaryIO], None]) -> None:
    """Let ``write`` fill the new file ``target``; ResourceError where the disk refuses."""
    with reported(target), target.open("xb") as file:
        write(file)


def _read(source: BinaryIO, name: str) -> bytes:
    try:
        return source.read(_BLOCK)
    except OSError as error:
        raise ResourceError(f"cannot read {name}: {error.strerror or error}") from error
