"""Interpolated modified Kneser-Ney: the distribution of the next token, by counting n-grams.

Chen and Goodman 1999, "An empirical study of smoothing techniques for language modeling",
section 3: the counts of the highest order, each less a discount, share their remainder with the
order below, whose counts are those of distinct tokens before an n-gram.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.int64]
Distributions = NDArray[np.float32]
_KEY_BITS = 62  # an n-gram is one number, in base vocab_size


@dataclass(frozen=True)
class _Order:
    """All contexts of one length that were seen, as sorted numbers, and what follows each."""

    contexts: Tokens
    distributions: Distributions  # (contexts, vocab_size)


class NgramCounts:
    """N-grams up to ``order`` of texts of two tokens or more; the most are what fits a number."""

    def __init__(self, texts: Sequence[Tokens], vocab_size: int, order: int) -> None:
        self._vocab_size = vocab_size
        longest = max(text.size for text in texts)
        self.order = min(order, longest, int(_KEY_BITS / math.log2(max(2, vocab_size))))
        self._orders = self._smoothed(texts)

    def distributions(self, tokens: Tokens) -> Distributions:
        """What follows, for every token of a text, the tokens before it: (n, vocab_size)."""
        found = np.empty((tokens.size, self._vocab_size), np.float32)
        missing = np.arange(tokens.size)
        for length in range(self.order - 1, -1, -1):
            order, enough = self._orders[length], missing[missing >= length]
            keys = np.zeros(enough.size, np.int64)
            for before in range(length, 0, -1):
                keys = keys * self._vocab_size + tokens[enough - before]
            rows, is_known = _positions(order.contexts, keys)
            found[enough[is_known]] = order.distributions[rows[is_known]]
            missing = np.setdiff1d(missing, enough[is_known], assume_unique=True)
        return found

    def _smoothed(self, texts: Sequence[Tokens]) -> list[_Order]:
        """The orders from contexts of no token upwards."""
        grams = [np.sort(_ngrams(texts, self._vocab_size, self.order))]  # with repetitions
        for n in range(self.order - 1, 0, -1):  # those of n + 1 without their end, and the last
            last = _ngrams([text[-n:] for text in texts], self._vocab_size, n)
            shorter = np.concatenate((grams[-1] // self._vocab_size, last))
            grams.append(np.sort(shorter, kind="stable"))  # it is sorted nearly
        orders: list[_Order] = []
        for length in range(self.order):
            if length == self.order - 1:
                keys, counts = _counted(grams[0])
            else:  # how many different tokens stand before each
                longer = _counted(grams[self.order - length - 2])[0]
                keys, counts = _counted(np.sort(longer % self._vocab_size ** (length + 1)))
            orders.append(self._interpolated(keys, counts, orders))
        return orders

    def _interpolated(self, keys: Tokens, counts: Tokens, lower: list[_Order]) -> _Order:
        vocab_size = self._vocab_size
        discounts = _discounts(counts)[np.minimum(counts, 3)]
        contexts, first = np.unique(keys // vocab_size, return_index=True)
        totals = np.add.reduceat(counts, first)
        remainders = np.add.reduceat(discounts, first) / totals
        if lower:
            below = lower[-1]
            shorter = contexts % vocab_size ** (len(lower) - 1)
            rows, is_known = _positions(below.contexts, shorter)
            assert is_known.all(), "the end of a known context was seen, too"
            distributions = below.distributions[rows] * remainders[:, None].astype(np.float32)
        else:
            uniform = remainders[0] / vocab_size
            distributions = np.full((1, vocab_size), uniform, np.float32)
        rows = np.repeat(np.arange(contexts.size), np.diff(np.append(first, keys.size)))
        distributions[rows, keys % vocab_size] += ((counts - discounts) / totals[rows]).astype(
            np.float32
        )
        return _Order(contexts, distributions)


def _ngrams(texts: Sequence[Tokens], vocab_size: int, order: int) -> Tokens:
    """Every n-gram of that order as a number."""
    keys = []
    for text in texts:
        key = np.zeros(max(0, text.size - order + 1), np.int64)
        for offset in range(order):
            key = key * vocab_size + text[offset : offset + key.size]
        keys.append(key)
    return np.concatenate(keys)


def _counted(ordered: Tokens) -> tuple[Tokens, Tokens]:
    """The different numbers of a sorted array, and how often each occurs."""
    first = np.flatnonzero(np.diff(ordered, prepend=ordered[:1] - 1))
    return ordered[first], np.diff(np.append(first, ordered.size))


def _discounts(counts: Tokens) -> NDArray[np.float64]:
    """What a count of 0, 1, 2, or 3 and more is lowered by (equation 26)."""
    n1, n2, n3, n4 = np.maximum(1, np.bincount(np.minimum(counts, 5), minlength=6)[1:5])
    y = n1 / (n1 + 2 * n2)
    lowered = np.array([0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3])
    return lowered.clip(0, [0, 1, 2, 3])


def _positions(ordered: Tokens, wanted: Tokens) -> tuple[Tokens, NDArray[np.bool_]]:
    """Where each wanted number stands in a sorted array, and whether it is there."""
    positions = np.minimum(np.searchsorted(ordered, wanted), ordered.size - 1)
    return positions, ordered[positions] == wanted
