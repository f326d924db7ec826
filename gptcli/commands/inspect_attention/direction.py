"""Sums and differences of words, as ``king - man + woman``, as they are typed."""

import re
from dataclasses import dataclass

from gptcli.errors import UsageError

_OPERATOR = re.compile(r"(?:^|\s+)([+-])\s+")
_WAY = "write words with + or - between them, and spaces around these: 'king - man + woman'"


@dataclass(frozen=True)
class Term:
    """A word that is added (sign 1) or taken away (sign -1)."""

    sign: int
    word: str


def parse_direction(text: str) -> tuple[Term, ...]:
    """``king - man + woman`` as terms; quotes keep spaces and signs: ``' king' - '-'``.

    UsageError where a word is missing.
    """
    lead, *rest = _OPERATOR.split(f"{text} ".lstrip(" "))
    parts = ["+", lead, *rest] if lead else rest
    pairs = list(zip(parts[::2], (word.strip(" ") for word in parts[1::2]), strict=True))
    if not pairs or any(not word or _OPERATOR.match(f"{word} ") for _, word in pairs):
        raise UsageError(f"--direction {text!r} lacks a word: {_WAY}")
    return tuple(Term(1 if sign == "+" else -1, _unquoted(word)) for sign, word in pairs)


def check_direction(text: str) -> None:
    """UsageError unless the text is a sum or difference of words."""
    parse_direction(text)


def _unquoted(word: str) -> str:
    """The word without the quotes around it, if it has any."""
    is_quoted = len(word) > 2 and word[0] == word[-1] and word[0] in "'\""
    return word[1:-1] if is_quoted else word
