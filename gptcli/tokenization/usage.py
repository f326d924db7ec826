"""Measuring the tokens of a text: how many, how many different ones, and the longest."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gptcli.tokenization.tokenizer import Tokenizer
from gptcli.tokenization.vocabulary import Vocabulary, VocabularyEntry

_LONGEST = 5


@dataclass(frozen=True)
class Usage:
    """The tokens of a text in numbers.

    Attributes:
        n_tokens: the length of the text in tokens.
        n_used: the number of different tokens in it.
        longest: its longest tokens, by characters, the longest first.

    """

    n_tokens: int
    n_used: int
    longest: tuple[VocabularyEntry, ...]


def measure_usage(
    tokenizer: Tokenizer, ids: Iterable[NDArray[np.integer]], n_longest: int = _LONGEST
) -> Usage:
    """Measure a text, given as arrays of ids."""
    is_used = np.zeros(tokenizer.vocab_size, dtype=bool)
    n_tokens = 0
    for some in ids:
        is_used[some] = True
        n_tokens += len(some)
    used = np.flatnonzero(is_used).tolist()
    vocabulary = Vocabulary(tokenizer)
    return Usage(n_tokens, len(used), longest_entries(map(vocabulary.entry, used), n_longest))


def longest_entries(
    entries: Iterable[VocabularyEntry], count: int = _LONGEST
) -> tuple[VocabularyEntry, ...]:
    """The longest entries in characters, without special ones; the lower id wins ties."""
    plain = [entry for entry in entries if not entry.is_special]
    return tuple(sorted(plain, key=lambda entry: (-len(entry.text), entry.number))[:count])
