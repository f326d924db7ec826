"""Built-in sources: texts that need no file."""

import sysconfig
import tokenize
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from gptcli.config.checks import counted
from gptcli.config.data import ArithmeticOptions
from gptcli.data.corpus.arithmetic_source import (
    ADDITION,
    CALCULATOR,
    write_exercises,
)
from gptcli.data.corpus.instruction_source import write_instructions, write_preferences
from gptcli.data.corpus.shakespeare_source import read_shakespeare
from gptcli.errors import DataError, ResourceError

# Of Python: tests are repetitive; the others are programs or not part of the standard library.
_LEFT_OUT = frozenset(
    {"test", "tests", "idlelib", "lib2to3", "site-packages", "dist-packages", "__pycache__"}
)


@dataclass(frozen=True)
class BuiltInSource:
    """A built-in text: a line about it, and a function that writes it.

    ``write`` writes the text to a file and returns a description, which may be empty; ``suffix``
    is that of such a file.
    """

    about: str
    write: Callable[[BinaryIO, ArithmeticOptions], str]
    suffix: str = ".txt"


def _write_python(file: BinaryIO, _: ArithmeticOptions) -> str:
    return write_standard_library(file)


def _write_shakespeare(file: BinaryIO, _: ArithmeticOptions) -> str:
    file.write(read_shakespeare())
    return ""


def _write_addition(file: BinaryIO, options: ArithmeticOptions) -> str:
    return write_exercises(ADDITION, options, file)


def _write_calculator(file: BinaryIO, options: ArithmeticOptions) -> str:
    return write_exercises(CALCULATOR, options, file)


BUILT_IN_SOURCES: Mapping[str, BuiltInSource] = MappingProxyType(
    {
        "python": BuiltInSource(
            "the source code of Python's standard library, always at hand", _write_python
        ),
        "shakespeare": BuiltInSource("Tiny Shakespeare, downloaded once", _write_shakespeare),
        "addition": BuiltInSource(
            "sums such as 12+34=46; see --digits, --reverse and --count",
            _write_addition,
            ".jsonl",
        ),
        "calculator": BuiltInSource(
            "sums, differences, products and exact quotients; flags as for addition",
            _write_calculator,
            ".jsonl",
        ),
        "instructions": BuiltInSource(
            "conversations: short questions on numbers and words, answered; see --count",
            write_instructions,
            ".jsonl",
        ),
        "preferences": BuiltInSource(
            "the same questions, each with a better and a worse answer; see --count",
            write_preferences,
            ".jsonl",
        ),
    }
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
    return counted(count, "file") + (f", {skipped} undecodable left out" if skipped else "")


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
