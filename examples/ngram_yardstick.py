"""What counting reaches: n-gram models of a text's characters, beside which a GPT has to stand.

    python examples/ngram_yardstick.py input.txt

Interpolated modified Kneser-Ney (Chen and Goodman 1999, section 3): an n-gram's count is
discounted by an amount that depends on whether it was seen once, twice or more often; what is
taken away goes to the next shorter context, whose model counts in how many different contexts
each character follows it. Trained on the first 90% of the text and measured on the rest in
windows of 256 characters that do not overlap, where no context reaches back beyond the start of
its window: as a GPT with a context of 256 is evaluated.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ORDERS = range(2, 9)
WINDOW = 256
Ids = NDArray[np.int64]
Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Level:
    """All n-grams of one length; an n-gram is a number whose last digit in base V is its end.

    The arrays of a context, which is an n-gram without its end: how often it was seen in all,
    and how much of that was discounted.
    """

    grams: Ids  # in order
    discounted: Reals  # the count of each n-gram, less its discount
    contexts: Ids  # in order
    totals: Reals
    set_aside: Reals

    @classmethod
    def of(cls, occurrences: Ids, vocab_size: int) -> "Level":
        """Count n-grams and discount the counts."""
        grams, counts = np.unique(occurrences, return_counts=True)
        discounts = _discounts(counts)[np.minimum(counts, 3)]
        contexts, first = np.unique(grams // vocab_size, return_index=True)
        totals = np.add.reduceat(counts.astype(np.float64), first)
        set_aside = np.add.reduceat(discounts, first)
        return cls(grams, counts - discounts, contexts, totals, set_aside)

    def interpolated(self, contexts: Ids, ends: Ids, shorter: Reals, vocab_size: int) -> Reals:
        """The probability of each end after its context, given that after one item less."""
        seen = _at(self.grams, self.discounted, contexts * vocab_size + ends)
        total = _at(self.contexts, self.totals, contexts)
        weight = _at(self.contexts, self.set_aside, contexts)
        mixed = (seen + weight * shorter) / np.maximum(total, 1)
        return np.where(total > 0, mixed, shorter)  # a context never seen says nothing


def _discounts(counts: Ids) -> Reals:
    """What is taken from a count of 0, 1, 2 and 3 or more (equation 17 there)."""
    n1, n2, n3, n4 = (max(1, int(np.count_nonzero(counts == number))) for number in (1, 2, 3, 4))
    share = n1 / (n1 + 2 * n2)
    taken = [1 - 2 * share * n2 / n1, 2 - 3 * share * n3 / n2, 3 - 4 * share * n4 / n3]
    # On a tiny text they may come out as less than nothing; something is left for every character.
    return np.array([0.0, *np.clip(taken, 0.1, [1, 2, 3])])


def _at(keys: Ids, values: Reals, wanted: Ids) -> Reals:
    """The values of the wanted keys, 0 where there is none."""
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, values[place], 0.0)


def _grams(ids: Ids, length: int, vocab_size: int) -> Ids:
    """The number of each run of that many items."""
    n_grams = max(0, len(ids) - length + 1)
    numbers = np.zeros(n_grams, np.int64)
    for offset in range(length):
        numbers = numbers * vocab_size + ids[offset : offset + n_grams]
    return numbers


class KneserNey:
    """The models of all orders up to ``order``; those below it count different contexts."""

    def __init__(self, ids: Ids, order: int, vocab_size: int) -> None:
        self.vocab_size = vocab_size
        self.levels = []
        for length in range(1, order):
            # An n-gram counts once for each different item that stands before it.
            longer = np.unique(_grams(ids, length + 1, vocab_size)) % vocab_size**length
            self.levels.append(Level.of(longer, vocab_size))
        self.levels.append(Level.of(_grams(ids, order, vocab_size), vocab_size))

    def probabilities(self, ids: Ids, targets: Ids, seen: Ids) -> Reals:
        """The probability of ``ids`` at ``targets``.

        ``seen`` is how many items before each target may be looked at.
        """
        estimate = np.full(len(targets), 1 / self.vocab_size)
        contexts = np.zeros(len(targets), np.int64)
        for length, level in enumerate(self.levels):
            usable = np.flatnonzero(seen >= length)
            if length:  # one more item before
                before = ids[targets[usable] - length]
                contexts[usable] += before * self.vocab_size ** (length - 1)
            estimate[usable] = level.interpolated(
                contexts[usable], ids[targets[usable]], estimate[usable], self.vocab_size
            )
        return estimate


def losses(text: str) -> dict[int, float]:
    """The mean loss in nats per character over the last tenth of a text, by order."""
    characters = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    vocabulary, inverse = np.unique(characters, return_inverse=True)
    ids = inverse.astype(np.int64)
    cut = int(0.9 * len(ids))
    train, val = ids[:cut], ids[cut:]
    targets = np.arange(1, len(val))
    seen = (targets - 1) % WINDOW + 1
    found = {}
    for order in ORDERS:
        if len(vocabulary) ** order < 2**63:  # the numbers of its n-grams fit into int64
            model = KneserNey(train, order, len(vocabulary))
            found[order] = float(-np.log(model.probabilities(val, targets, seen)).mean())
    return found


def main() -> None:
    """Print a row for each order."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", help="Tiny Shakespeare, for the figures of README.md")
    text = Path(parser.parse_args().text).read_text(encoding="utf-8")
    print("| order | val loss |")
    print("|---|---|")
    for order, loss in losses(text).items():
        print(f"| {order} | {loss:.4f} |")


if __name__ == "__main__":
    main()
