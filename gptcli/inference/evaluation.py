"""The loss over a split, in a fixed order, each target counted once.

N tokens have the targets 1 .. N-1, in windows of the context; the last may be shorter. In a
masked split only those that count are targets, and windows start at documents.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gptcli.data.token_split import TokenSplit
from gptcli.data.windows import Windows
from gptcli.model.gpt import GPT, UNCOUNTED, next_token_loss

# As many tokens at once as keep the caches busy and the logits below 256 MB.
_TOKENS_PER_BATCH = 8192
_LOGITS_PER_BATCH = 2**26


@dataclass(frozen=True)
class Evaluation:
    """Sum of the losses in nats over ``n_targets`` tokens, seen with ``context`` tokens."""

    loss_sum: float
    n_targets: int
    context: int

    @property
    def loss(self) -> float:
        """Mean loss in nats per token."""
        return self.loss_sum / self.n_targets

    @property
    def perplexity(self) -> float:
        """exp(loss): the number of equally likely tokens that would be as hard to guess."""
        return math.exp(self.loss) if self.loss < 700 else math.inf

    def bits_per(self, units: int) -> float:
        """Bits per unit, where the targets are ``units`` bytes or characters of text."""
        return self.loss_sum / math.log(2) / units


@torch.inference_mode()
def evaluate_split(
    model: GPT,
    split: TokenSplit,
    device: str,
    n_tokens: int | None = None,
    max_batches: int | None = None,
    advance: Callable[[int], None] = lambda targets: None,
) -> Evaluation:
    """Evaluate the first ``n_tokens`` of a split in float32 and in eval mode.

    There must be a target among them.

    ``advance`` hears after each batch how many targets it had, and stops the work by
    raising. ``max_batches`` caps the work at that many batches.
    """
    context = model.config.block_size
    limit = split.n_tokens if n_tokens is None else min(n_tokens, split.n_tokens)
    tokens_per_batch = min(_TOKENS_PER_BATCH, _LOGITS_PER_BATCH // model.config.vocab_size)
    batches = _batches_of(split, limit, context, tokens_per_batch)
    total, done = torch.zeros((), dtype=torch.float64), 0
    was_training = model.training
    model.eval()
    try:
        for number, (ids, targets) in enumerate(batches):
            if number == max_batches:
                break
            logits = model(ids.to(device))
            total += next_token_loss(logits, targets.to(device), "sum").cpu()
            counted = int((targets != UNCOUNTED).sum())
            done += counted
            advance(counted)
    finally:
        model.train(was_training)
    return Evaluation(float(total), done, context)


def _batches_of(
    split: TokenSplit, n_tokens: int, context: int, tokens_per_batch: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Ids and targets (B, T), with as many rows as fit into a batch."""
    rows = max(1, tokens_per_batch // context)
    if split.is_masked:
        return _masked_batches(split, split.windows(context).within(n_tokens), rows)
    return _batches(split, n_tokens, context, rows)


def _batches(
    split: TokenSplit, n_tokens: int, context: int, rows: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Full windows in batches, then the last partial one alone."""
    n_targets = n_tokens - 1
    n_full = n_targets // context
    for first in range(0, n_full, rows):
        last = min(first + rows, n_full)
        block = split.read(first * context, (last - first) * context + 1)
        yield (
            torch.from_numpy(block[:-1]).view(-1, context),
            torch.from_numpy(block[1:]).view(-1, context),
        )
    rest = n_targets - n_full * context
    if rest:
        block = split.read(n_full * context, rest + 1)
        yield torch.from_numpy(block[:-1])[None], torch.from_numpy(block[1:])[None]


def _masked_batches(
    split: TokenSplit, windows: Windows, rows: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """A window a row, filled up to the longest with what does not count."""
    for first in range(0, windows.starts.size, rows):
        starts, ends = windows.starts[first : first + rows], windows.ends[first : first + rows]
        width = int((ends - starts).max())
        begin = np.minimum(starts, split.n_tokens - 1 - width)  # no row reads beyond the end
        tokens, mask = split.gather(begin, width + 1), split.gather_masks(begin, width + 1)
        places = np.arange(width) + (starts - begin)[:, None]  # (B, T)
        inside = places < (ends - begin)[:, None]
        places = np.minimum(places, width - 1)
        ids = np.take_along_axis(tokens, places, axis=1)
        following = np.take_along_axis(tokens, places + 1, axis=1)
        counted = inside & np.take_along_axis(mask, places + 1, axis=1)
        targets = np.where(counted, following, UNCOUNTED)
        yield torch.from_numpy(np.where(inside, ids, 0)), torch.from_numpy(targets)
