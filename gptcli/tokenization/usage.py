"""What a tokenizer makes of a text: a small vocabulary gives long sequences, a large one short."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gptcli.tokenization.tokenizer import Tokenizer
from gptcli.tokenization.vocabulary import Vocabulary, VocabularyEntry

_LONGEST = 5


@dataclass(frozen=True)
class Usage:
    """What a tokenizer made of a text.

    Attributes:
        n_tokens: length of the text in tokens.
        n_used: how many different tokens are in it.
        longest: its longest tokens, by characters, the longest first.

    """

    n_tokens: int
    n_used: int
    longest: tuple[VocabularyEntry, ...]


def measure_usage(
    tokenizer: Tokenizer, ids: Iterable[NDArray[np.integer]], n_longest: int = _LONGEST
) -> Usage:
    """Count a text that comes as arrays of its ids."""
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
    """The longest of them in characters, special ones left out, the lower id first among equals."""
    plain = [entry for entry in entries if not entry.is_special]
    return tuple(sorted(plain, key=lambda entry: (-len(entry.text), entry.number))[:count])
