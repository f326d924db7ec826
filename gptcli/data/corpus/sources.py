"""Built-in sources: texts that need no file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import BinaryIO

from gptcli.config.data import ArithmeticOptions
from gptcli.data.corpus.arithmetic_source import (
    ADDITION,
    CALCULATOR,
    write_exercises,
)
from gptcli.data.corpus.python_source import write_standard_library
from gptcli.data.corpus.shakespeare_source import read_shakespeare

STDIN = "-"


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
        "python": BuiltInSource("the source of Python's standard library", _write_python),
        "shakespeare": BuiltInSource("Tiny Shakespeare, downloaded once", _write_shakespeare),
        "addition": BuiltInSource(
            "sums to learn, as in 12+34=46; see --digits, --reverse and --count",
            _write_addition,
            ".jsonl",
        ),
        "calculator": BuiltInSource(
            "sums, differences, products and exact quotients to learn; flags as for addition",
            _write_calculator,
            ".jsonl",
        ),
    }
)
