"""A corpus that is always available: the source of the interpreter's standard library."""

import sysconfig
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from gptcli.errors import DataError, ResourceError

# Tests are repetitive; the others are programs or not part of the standard library.
_LEFT_OUT = frozenset(
    {"test", "tests", "idlelib", "lib2to3", "site-packages", "dist-packages", "__pycache__"}
)


def write_standard_library(file: BinaryIO, root: Path | None = None) -> str:
    """Write every .py file below ``root`` (the standard library), in the order of their paths.

    Line ends become newlines. Returns how many files there are, and how many, if any, were left
    out because they could not be decoded.
    """
    root = root or Path(sysconfig.get_path("stdlib"))
    count = skipped = 0
    for path in _source_files(root):
        try:
            file.write(_source(path).encode("utf-8"))
            count += 1
        except (SyntaxError, UnicodeError):
            skipped += 1
    if not count:
        raise DataError(f"no Python source in {root}: this interpreter has none; prepare a file")
    return f"{count} files" + (f", {skipped} undecodable left out" if skipped else "")


def _source(path: Path) -> str:
    try:
        with tokenize.open(path) as file:  # reads the encoding that the file declares
            return file.read()
    except OSError as error:
        raise ResourceError(f"cannot read {path}: {error.strerror or error}") from error


def _source_files(root: Path) -> Iterator[Path]:
    inside = (file.relative_to(root) for file in root.rglob("*.py"))
    wanted = (file for file in inside if not _LEFT_OUT.intersection(file.parts))
    return (root / file for file in sorted(wanted, key=lambda file: file.as_posix()))
