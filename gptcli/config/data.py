"""The choices of ``prepare``, checked when made."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, get_args

from gptcli.config.checks import check_fraction, check_whole

VAL_FRACTION = 0.1  # of the characters or documents, the lecture's
SEED = 1337
SPLITS = ("train", "val")
ARITHMETIC_SOURCES = ("addition", "calculator")
MADE_SOURCES = (*ARITHMETIC_SOURCES, "instructions", "preferences")  # as many as --count says
REVERSED = ", reversed"  # in the description of a source whose answers are
BEFORE_RESULT = ":"  # between the steps of an exercise and its result
USUAL_COUNT = 100_000  # exercises of an arithmetic source, where there are as many
INSTRUCTIONS, PREFERENCES = 40_000, 20_000  # records of these sources
# From this number on, whole documents are the validation split by default: a tenth of fewer
# documents may be none of them, or most of the text.
FEWEST_DOCUMENTS = 100
_MOST_DIGITS = 9  # of operands: products stay below 2**63

Errors = Literal["strict", "replace", "ignore"]
ERRORS: tuple[Errors, ...] = get_args(Errors)  # what is done with bytes that are not UTF-8


class SplitBy(StrEnum):
    """What is kept together when a corpus is divided into train and val."""

    TEXT = "text"
    DOCUMENT = "document"


@dataclass(frozen=True)
class ReadOptions:
    """How to read.

    Attributes:
        errors: what to do with bytes that are not UTF-8.
        field: the field of a record that holds its text; None: the first known shape.
        split_on: what stands between the documents of a text; None: it is one document.

    """

    errors: Errors = "strict"
    field: str | None = None
    split_on: str | None = None


@dataclass(frozen=True)
class PrepareConfig:
    """How documents become a dataset.

    ``split_by`` None lets the corpus decide; ``shuffle`` puts the documents into an order that
    ``seed`` alone decides; ``skip_bad`` is how many bad records may be left out; with
    ``allow_unknown`` a tokenizer may lose any part of the text.
    """

    val_fraction: float = VAL_FRACTION
    split_by: SplitBy | None = None
    shuffle: bool = False
    seed: int = SEED
    skip_bad: int = 0
    workers: int = 1
    allow_unknown: bool = False

    def __post_init__(self) -> None:
        check_fraction("val_fraction", self.val_fraction, VAL_FRACTION)
        check_whole("seed", self.seed, 0, 2**63)
        check_whole("skip_bad", self.skip_bad, 0)
        check_whole("workers", self.workers, 1, 1024)


@dataclass(frozen=True)
class ArithmeticOptions:
    """Which problems are made; the same options make the same problems.

    Attributes:
        digits: the most digits of an operand; in a division, of the quotient and the divisor.
        reverse: whether the digits of answers are reversed, behind the sign.
        steps: whether the steps of the calculation are written before the result.
        count: how many problems; None: USUAL_COUNT, or all if there are fewer.
        seed: decides which problems are chosen, and their order.

    """

    digits: int = 3
    reverse: bool = False
    steps: bool = False
    count: int | None = None
    seed: int = SEED

    def __post_init__(self) -> None:
        check_whole("digits", self.digits, 1, _MOST_DIGITS)
        if self.count is not None:
            check_whole("count", self.count, 1)
