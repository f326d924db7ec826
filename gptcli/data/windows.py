"""Windows of a masked split, which begin at documents where possible.

A model then sees a whole question before the answer that counts, as when it is used.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.int64]
ReadMask = Callable[[int, int], NDArray[np.bool_]]

_DOCUMENTS_AT_ONCE = 2**18
_TOKENS_AT_ONCE = 2**24


@dataclass(frozen=True)
class Windows:
    """Window i predicts tokens ``starts[i] + 1`` to ``ends[i]``; ``counts[i]`` of them count.

    No two windows share a target, and every window has at least one.
    """

    starts: Positions
    ends: Positions
    counts: NDArray[np.int32]

    def tokens_with(self, n_targets: int) -> int:
        """The number of tokens up to the end of the window that completes ``n_targets``."""
        assert self.ends.size, "a split without targets"
        reached = np.searchsorted(np.cumsum(self.counts, dtype=np.int64), n_targets)
        return int(self.ends[min(int(reached), self.ends.size - 1)]) + 1

    def within(self, n_tokens: int) -> "Windows":
        """The windows cut off at the first ``n_tokens``; their counts are upper limits."""
        kept = int(np.searchsorted(self.starts, n_tokens - 1))
        ends = np.minimum(self.ends[:kept], n_tokens - 1)
        return Windows(self.starts[:kept], ends, self.counts[:kept])


def window_boundaries(documents: Positions, n_tokens: int, block_size: int) -> Positions:
    """The starts of windows of ``block_size`` targets, followed by the last target.

    ``documents`` are the starts of the documents in order, the first is 0. The next window
    starts at the last document start that a window reaches, so that few documents are cut; within
    a document that is longer than a window, it starts at the window's end. Window i counts the
    targets after ``boundaries[i]`` up to ``boundaries[i + 1]``: all but token 0, each once.
    """
    last = max(n_tokens - 1, 0)
    return np.concatenate([*_starts(documents, last, block_size), np.array([last])])


def _starts(documents: Positions, last: int, block_size: int) -> Iterator[Positions]:
    """The starts of windows before ``last``, a chunk of documents at a time."""
    n_documents = int(np.searchsorted(documents, last))
    first = 0
    while first < n_documents:
        stop = min(first + _DOCUMENTS_AT_ONCE, n_documents)
        starts = documents[first:stop]
        following = np.append(documents[first + 1 : stop + 1], last)[: stop - first]
        more = (np.minimum(following, last) - starts - 1) // block_size  # windows inside it
        reach = starts + (more + 1) * block_size
        jumps = np.searchsorted(documents[:n_documents], reach, side="right") - 1
        jumps[reach >= last] = n_documents
        chosen, first = _visited(jumps, first)
        yield _repeated(starts[chosen], more[chosen] + 1, block_size)


def _visited(jumps: Positions, first: int) -> tuple[Positions, int]:
    """Follow ``jumps``, whose first item has the index ``first``, to the end of the array.

    Returns the visited places in the array, and the index of the item after them.
    """
    follow, visited, index = jumps.tolist(), [], 0
    while index < len(follow):
        visited.append(index)
        index = follow[index] - first
    return np.array(visited, dtype=np.int64), first + index


def _repeated(starts: Positions, times: Positions, step: int) -> Positions:
    """Each start ``times`` times, ``step`` apart."""
    before = np.repeat(np.cumsum(times) - times, times)
    return np.repeat(starts, times) + step * (np.arange(before.size) - before)


def counted_windows(boundaries: Positions, block_size: int, read_mask: ReadMask) -> Windows:
    """The windows between ``boundaries`` that have targets, with the number of each."""
    at_once = max(1, _TOKENS_AT_ONCE // block_size)
    counts = np.empty(boundaries.size - 1, dtype=np.int32)
    for first in range(0, counts.size, at_once):
        part = boundaries[first : first + at_once + 1]
        mask = read_mask(int(part[0]) + 1, int(part[-1] - part[0]))
        counts[first : first + at_once] = np.add.reduceat(mask, part[:-1] - part[0], dtype=np.int32)
    kept = counts > 0
    return Windows(boundaries[:-1][kept], boundaries[1:][kept], counts[kept])
