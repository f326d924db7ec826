"""The order in which training sees the data: a pure function of seed, step and row.

There is no state to save: any process can compute the order of any step at no cost.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gptcli.config.training import Order
from gptcli.runtime.seeds import derive_seed

Starts = NDArray[np.int64]
Numbers = NDArray[np.int64]
_ROUNDS = 6


@dataclass(frozen=True)
class ItemOrder:
    """Which of ``size`` items, counted from 0, each row of a step sees.

    Every item is seen once in an epoch, and each epoch has an order of its own.
    """

    size: int
    rows_per_step: int
    seed: int

    def items(self, step: int) -> Numbers:
        """The item of every row of a step: (rows_per_step,)."""
        index = self._index(step)
        epochs, places = index // self.size, index % self.size
        found = np.empty_like(index)
        for epoch in np.unique(epochs).tolist():
            chosen = epochs == epoch
            found[chosen] = permute(places[chosen], self.size, self._key(epoch))
        return found

    def keys(self, step: int) -> Numbers:
        """The key of the epoch that each row of a step belongs to: (rows_per_step,)."""
        epochs, rows = np.unique(self._index(step) // self.size, return_inverse=True)
        return np.array([self._key(epoch) for epoch in epochs.tolist()], dtype=np.int64)[rows]

    def _index(self, step: int) -> Numbers:
        return step * self.rows_per_step + np.arange(self.rows_per_step, dtype=np.int64)

    def _key(self, epoch: int) -> int:
        return derive_seed(self.seed, "order", epoch)


@dataclass(frozen=True)
class WindowOrder:
    """Where the windows of block_size + 1 tokens start, for a split of ``n_tokens``.

    ``windows`` are the only allowed starts, for a masked split, whose windows begin at
    documents; one too near the end of the split is moved back.
    """

    n_tokens: int
    block_size: int
    rows_per_step: int
    seed: int
    order: Order = "shuffled"
    windows: Starts | None = field(default=None, compare=False)

    def starts(self, step: int) -> Starts:
        """The first token of every row of an optimizer step: (rows_per_step,)."""
        return self._random(step) if self.order == "random" else self._shuffled(step)

    @property
    def windows_per_epoch(self) -> int:
        """The number of windows in an epoch: one more than fit, to reach both ends at any phase."""
        if self.windows is not None:
            return self.windows.size
        return -(-(self.n_tokens - 1) // self.block_size) + 1

    def _shuffled(self, step: int) -> Starts:
        """Starts in a random order: of the given windows, or of adjacent ones from a phase."""
        order = ItemOrder(self.windows_per_epoch, self.rows_per_step, self.seed)
        window = order.items(step)
        if self.windows is not None:
            return np.minimum(self.windows[window], self._last)
        phase = order.keys(step) % self.block_size
        starts: Starts = np.clip(phase + (window - 1) * self.block_size, 0, self._last)
        return starts

    @property
    def _last(self) -> int:
        return self.n_tokens - 1 - self.block_size

    def _random(self, step: int) -> Starts:
        """Independent uniform starts, as in the lecture; if windows are given, among theirs."""
        generator = np.random.Generator(np.random.Philox(derive_seed(self.seed, "offset", step)))
        if self.windows is not None:
            drawn = generator.integers(0, self.windows.size, self.rows_per_step)
            return np.minimum(self.windows[drawn], self._last)
        return generator.integers(0, self.n_tokens - self.block_size, self.rows_per_step)


def permute(index: Starts, size: int, key: int) -> Starts:
    """A keyed permutation of range(size), computed for the given indices alone.

    A Feistel network (Luby and Rackoff 1988) permutes the next power of four; it is applied
    again to indices outside ``size``, until they are inside (cycle walking).
    """
    half_bits = max(1, (max(size - 1, 1).bit_length() + 1) // 2)
    result = _feistel(index, half_bits, key)
    outside = result >= size
    while outside.any():
        result[outside] = _feistel(result[outside], half_bits, key)
        outside = result >= size
    return result


def _feistel(index: Starts, half_bits: int, key: int) -> Starts:
    mask = np.uint64((1 << half_bits) - 1)
    left, right = index.astype(np.uint64) >> np.uint64(half_bits), index.astype(np.uint64) & mask
    for number in range(_ROUNDS):
        round_key = np.uint64(derive_seed(key, number))
        left, right = right, left ^ (_mix(right + round_key) & mask)
    return ((left << np.uint64(half_bits)) | right).astype(np.int64)


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finalizer of splitmix64 (Steele, Lea and Flood 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
