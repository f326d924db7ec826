"""A model's walk over a split: batch after batch, alone or shared with other processes.

Batch i belongs to lane i mod 64, and a lane to one process. A lane is summed in its order and
then the lanes in theirs, so that the number of processes changes no digit.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from gptcli.evaluation.predictions import Predictions, predict
from gptcli.evaluation.processes import all_sum
from gptcli.evaluation.target_batches import Batch, Split
from gptcli.model.gpt import GPT
from gptcli.runtime.progress import Advance, no_progress
from gptcli.runtime.world import ALONE, World

# As many tokens at once as keep the caches busy and the logits below 256 MB.
TOKENS_PER_BATCH = 8192
_LOGITS_PER_BATCH = 2**26
_LANES = 64


class Route(Protocol):
    """Which windows a split is read in."""

    def batches(self, split: Split, tokens_per_batch: int) -> Iterator[Batch]:
        """All of them in order, about so many tokens at once."""
        ...


@dataclass(frozen=True)
class EvaluationPass:
    """A model over a split in float32 and eval mode, at most ``max_batches`` of it.

    ``advance`` hears after each batch how many targets it had, and stops the work by raising.
    """

    model: GPT
    split: Split
    device: str
    route: Route
    world: World = ALONE
    advance: Advance = no_progress
    max_batches: int | None = None

    def sums(
        self, size: int, measure: Callable[[Predictions], NDArray[np.float64]]
    ) -> NDArray[np.float64]:
        """The sum over all batches of what ``measure`` says of each, ``size`` numbers."""
        lanes = np.zeros((_LANES, size))
        with _evaluating(self.model):
            for number, predictions in self._own():
                lanes[number % _LANES] += measure(predictions)
        total: NDArray[np.float64] = np.add.reduce(all_sum(self.world, lanes))
        return total

    def losses(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """The loss of every target that counts and its place in the split, in order."""
        found = np.zeros((2, self.split.n_tokens))
        with _evaluating(self.model):
            for _, predictions in self._own():
                found[0, predictions.places] = predictions.losses
                found[1, predictions.places] = 1
        losses, counted = all_sum(self.world, found)
        places = np.flatnonzero(counted)
        return losses[places], places

    def predictions(self) -> Iterator[Predictions]:
        """What is said of each batch, in order."""
        with _evaluating(self.model):
            for _, predictions in self._own():
                yield predictions

    @torch.inference_mode()
    def _own(self) -> Iterator[tuple[int, Predictions]]:
        """The batches of this process."""
        config = self.model.config
        size = min(TOKENS_PER_BATCH, _LOGITS_PER_BATCH // config.vocab_size)
        batches = self.route.batches(self.split, size)
        for number, batch in enumerate(islice(batches, self.max_batches)):
            if number % _LANES % self.world.size != self.world.rank:
                continue
            predictions = predict(self.model, batch, self.device)
            yield number, predictions
            self.advance(predictions.n_targets * self.world.size)


@contextlib.contextmanager
def _evaluating(model: GPT) -> Iterator[None]:
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)
