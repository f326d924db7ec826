"""The windows in which the targets of a split are predicted, in batches.

B rows, T columns. Every target counts once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gptcli.data.text_tokens import TextTokens
from gptcli.data.token_split import TokenSplit
from gptcli.data.windows import Windows
from gptcli.model.gpt import UNCOUNTED

Split = TokenSplit | TextTokens
Places = NDArray[np.int64]


@dataclass(frozen=True)
class TargetBatch:
    """Token ids (B, T), their targets (B, T), and the places of the first ids in the split (B,).

    A target that does not count, or counts in another row, is UNCOUNTED.
    """

    ids: Tensor
    targets: Tensor
    starts: Places

    @property
    def counted(self) -> Tensor:
        """Which targets count: (B, T)."""
        return self.targets != UNCOUNTED


class Windowing(Protocol):
    """Chooses the windows of a split."""

    def batches(self, split: Split, tokens_per_batch: int) -> Iterator[TargetBatch]:
        """Yield all windows in order, about ``tokens_per_batch`` tokens at once."""
        ...


@dataclass(frozen=True)
class StridedWindows:
    """Windows of ``context`` tokens, ``stride`` tokens apart, over the first ``n_tokens``.

    With a stride below the context windows overlap and a token counts in the first one that
    has it: it is seen with at least context - stride tokens before it, where there are so
    many. In a masked split its document's beginning is enough.
    """

    context: int
    stride: int
    n_tokens: int

    def batches(self, split: Split, tokens_per_batch: int) -> Iterator[TargetBatch]:
        """Yield all windows in order, as many to a batch as fit."""
        rows = max(1, tokens_per_batch // self.context)
        if isinstance(split, TokenSplit) and split.is_masked:
            found = split.windows(self.stride).within(self.n_tokens)
            return _masked_batches(split, found, self.context - self.stride, rows)
        return _batches(split, self, rows)


@dataclass(frozen=True)
class SampledWindows:
    """At most ``n_windows`` windows of ``context`` tokens, spread evenly over a whole split.

    They do not overlap. A split that is shorter than the context is a window as it is.
    """

    context: int
    n_windows: int

    def batches(self, split: Split, tokens_per_batch: int) -> Iterator[TargetBatch]:
        """Yield the windows in order, as many to a batch as fit."""
        rows = max(1, tokens_per_batch // self.context)
        if isinstance(split, TokenSplit) and split.is_masked:
            found = split.windows(self.context)
            chosen = self._chosen(found.starts.size)
            taken = Windows(found.starts[chosen], found.ends[chosen], found.counts[chosen])
            return _masked_batches(split, taken, 0, rows)
        starts = self.context * self._chosen((split.n_tokens - 1) // self.context)
        if not starts.size:
            return StridedWindows(self.context, self.context, split.n_tokens).batches(split, 1)
        parts = (starts[first : first + rows] for first in range(0, starts.size, rows))
        return (_overlapping(split.gather(part, self.context + 1), part, 0) for part in parts)

    def _chosen(self, count: int) -> Places:
        """The numbers of the windows that are taken, of ``count``."""
        places = np.linspace(0, count - 1, min(count, self.n_windows))
        return places.round().astype(np.int64)


def _batches(split: Split, windows: StridedWindows, rows: int) -> Iterator[TargetBatch]:
    """Yield full windows in batches, then the last, shorter one alone."""
    context, stride, n_targets = windows.context, windows.stride, windows.n_tokens - 1
    n_full = max(0, 1 + (n_targets - context) // stride)
    for first in range(0, n_full, rows):
        starts = stride * np.arange(first, min(first + rows, n_full), dtype=np.int64)
        yield _overlapping(split.gather(starts, context + 1), starts, context - stride)
    done = context + (n_full - 1) * stride if n_full else 0
    if done < n_targets:
        start = n_full * stride
        block = split.read(start, n_targets - start + 1)
        yield _overlapping(block[None], np.array([start]), context - stride)


def _overlapping(tokens: NDArray[np.int64], starts: Places, overlap: int) -> TargetBatch:
    """Rows of tokens as a batch; the first ``overlap`` targets count in the window before."""
    targets = tokens[:, 1:].copy()
    targets[starts > 0, :overlap] = UNCOUNTED
    return TargetBatch(torch.from_numpy(tokens[:, :-1]), torch.from_numpy(targets), starts)


def _masked_batches(
    split: TokenSplit, found: Windows, overlap: int, rows: int
) -> Iterator[TargetBatch]:
    """A window a row, filled up to the longest with targets that do not count."""
    begins = _begins(found, split.document_starts, overlap)
    for first in range(0, found.starts.size, rows):
        part = slice(first, first + rows)
        yield masked_batch(split, begins[part], found.starts[part], found.ends[part])


def _begins(windows: Windows, documents: Places, overlap: int) -> Places:
    """Where each row begins: ``overlap`` before its window, or a document start after that."""
    earliest = np.maximum(windows.starts - overlap, 0)
    index = np.minimum(np.searchsorted(documents, earliest), documents.size - 1)
    following = documents[index]
    is_near = (following >= earliest) & (following <= windows.starts)
    return np.where(is_near, following, earliest)


def masked_batch(split: TokenSplit, begins: Places, starts: Places, ends: Places) -> TargetBatch:
    """Rows from ``begins`` in which the targets after ``starts`` up to ``ends`` may count."""
    width = int((ends - begins).max())
    origin = np.minimum(begins, split.n_tokens - 1 - width)  # no row reads beyond the end
    tokens, mask = split.gather(origin, width + 1), split.gather_masks(origin, width + 1)
    places = np.arange(width) + (begins - origin)[:, None]  # (B, T)
    inside = places < (ends - origin)[:, None]
    own = inside & (places >= (starts - origin)[:, None])
    places = np.minimum(places, width - 1)
    ids = np.take_along_axis(tokens, places, axis=1)
    following = np.take_along_axis(tokens, places + 1, axis=1)
    counted = own & np.take_along_axis(mask, places + 1, axis=1)
    targets = np.where(counted, following, UNCOUNTED)
    ids = np.where(inside, ids, 0)
    return TargetBatch(torch.from_numpy(ids), torch.from_numpy(targets), begins)
