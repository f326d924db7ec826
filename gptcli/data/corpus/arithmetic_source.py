"""Problems of arithmetic with their answers, each of them once.

All problems of a kind are numbered, and a keyed permutation of the numbers decides which are
made and in which order. Sums and products are numbered by unordered pairs, so that 2+3 and 3+2
never both occur: no problem of val is in train with its operands swapped.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from gptcli.config.checks import counted
from gptcli.config.data import BEFORE_RESULT, REVERSED, USUAL_COUNT, ArithmeticOptions
from gptcli.data.corpus.worked_steps import worked_steps
from gptcli.data.order import permute
from gptcli.errors import UsageError
from gptcli.runtime.seeds import derive_seed

ADDITION = "+"
CALCULATOR = "+-*/"

_AT_ONCE = 2**16

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Exercise:
    """A question, ending in "=", and its answer, perhaps after the steps that lead there."""

    prompt: str
    completion: str


def count_exercises(operators: str, digits: int) -> int:
    """The number of different problems."""
    return sum(_KINDS[operator].count(10**digits) for operator in operators)


def exercises(operators: str, options: ArithmeticOptions) -> Iterator[Exercise]:
    """Different problems in a random order, a function of the arguments alone.

    Kinds with more problems come more often: of + - * / about 1, 2, 1 and 2 in 6. UsageError
    when there are not as many as asked for.
    """
    most = count_exercises(operators, options.digits)
    if options.count is not None and options.count > most:
        raise UsageError(
            f"--count {options.count} is more than the {most:,} problems of --digits "
            f"{options.digits}: ask for at most --count {most}"
        )
    count = min(USUAL_COUNT, most) if options.count is None else options.count
    for start in range(0, count, _AT_ONCE):
        index = np.arange(start, min(start + _AT_ONCE, count), dtype=np.int64)
        numbers = permute(index, most, derive_seed(options.seed, "arithmetic"))
        yield from _exercises(operators, numbers, options)


def write_exercises(operators: str, options: ArithmeticOptions, file: BinaryIO) -> str:
    """Write problems as lines of JSON; returns a description in a few words."""
    count = 0
    for exercise in exercises(operators, options):
        count += 1
        line = f'{{"prompt": "{exercise.prompt}", "completion": "{exercise.completion}"}}\n'
        file.write(line.encode("ascii"))
    size = f"{counted(count, 'problem')}, {counted(options.digits, 'digit')}"
    return size + REVERSED * options.reverse + ", with steps" * options.steps


def _exercises(operators: str, numbers: Numbers, options: ArithmeticOptions) -> Iterator[Exercise]:
    """The problems with these numbers; each kind has a range of them, one after another."""
    size = 10**options.digits
    parts: list[tuple[Numbers, str, Numbers, Numbers, Numbers]] = []
    first = 0
    for operator in operators:
        kind = _KINDS[operator]
        places = np.flatnonzero((numbers >= first) & (numbers < first + kind.count(size)))
        own = numbers[places] - first
        swap_key = derive_seed(options.seed, "swap", operator)
        parts.append((places, operator, *kind.make(own, size, swap_key)))
        first += kind.count(size)
    made: list[Exercise] = [Exercise("", "")] * len(numbers)
    for places, operator, left, right, result in parts:
        columns = (column.tolist() for column in (places, left, right, result))
        for place, a, b, c in zip(*columns, strict=True):
            steps = worked_steps(a, operator, b) + BEFORE_RESULT if options.steps else ""
            made[place] = Exercise(f"{a}{operator}{b}=", steps + _answer(c, options.reverse))
    yield from made


def _answer(value: int, reverse: bool) -> str:
    digits = str(abs(value))
    return "-" * (value < 0) + (digits[::-1] if reverse else digits)


def _unordered(numbers: Numbers, size: int, swap_key: int) -> tuple[Numbers, Numbers]:
    """Pair number n of those with left <= right < size, shown in one of its two orders.

    Rows of a triangle, the longest beside the shortest, fill size / 2 rows of size + 1; ``size``
    is even.
    """
    row, column = numbers // (size + 1), numbers % (size + 1)
    is_long = column > row
    low = np.where(is_long, row, size - 1 - row)
    high = np.where(is_long, column - 1, size - 1 - column)
    swap = permute(numbers, size * (size + 1) // 2, swap_key) % 2 == 1
    return np.where(swap, high, low), np.where(swap, low, high)


def _sum(numbers: Numbers, size: int, swap_key: int) -> tuple[Numbers, Numbers, Numbers]:
    left, right = _unordered(numbers, size, swap_key)
    return left, right, left + right


def _product(numbers: Numbers, size: int, swap_key: int) -> tuple[Numbers, Numbers, Numbers]:
    left, right = _unordered(numbers, size, swap_key)
    return left, right, left * right


def _difference(numbers: Numbers, size: int, _: int) -> tuple[Numbers, Numbers, Numbers]:
    left, right = numbers // size, numbers % size
    return left, right, left - right


def _quotient(numbers: Numbers, size: int, _: int) -> tuple[Numbers, Numbers, Numbers]:
    quotient, divisor = numbers // (size - 1), numbers % (size - 1) + 1
    return quotient * divisor, divisor, quotient


@dataclass(frozen=True)
class _Kind:
    """Counts the problems with operands below a size, and makes those with given numbers."""

    count: Callable[[int], int]
    make: Callable[[Numbers, int, int], tuple[Numbers, Numbers, Numbers]]


_KINDS = {
    "+": _Kind(lambda size: size * (size + 1) // 2, _sum),
    "-": _Kind(lambda size: size**2, _difference),
    "*": _Kind(lambda size: size * (size + 1) // 2, _product),
    "/": _Kind(lambda size: size * (size - 1), _quotient),
}
