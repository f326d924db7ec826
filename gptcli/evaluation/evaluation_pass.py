"""One pass of a model over a split, and its predictions for each batch of targets.

N targets of a batch that count, V = vocabulary.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from gptcli.config.model import ModelConfig
from gptcli.config.training import Precision
from gptcli.evaluation.processes import all_sum
from gptcli.evaluation.target_windows import Places, Split, TargetBatch, Windowing
from gptcli.model.gpt import GPT
from gptcli.runtime.device import autocast
from gptcli.runtime.progress import Advance, no_progress
from gptcli.runtime.world import ALONE, World

# As many tokens at once as keep the caches busy and the logits below 256 MB.
TOKENS_PER_BATCH = 8192
_LOGITS_PER_BATCH = 2**26
# The same in bfloat16 on a GPU, which is quick only with much to do at once; 2 GB.
_TOKENS_ON_GPU, _LOGITS_ON_GPU = 2**17, 2**29
_BUCKETS = 64


@dataclass(frozen=True)
class Predictions:
    """Logits (N, V) in float32 and the targets (N,) that they predict, row after row."""

    batch: TargetBatch
    logits: Tensor
    targets: Tensor

    @property
    def n_targets(self) -> int:
        """Number of targets N."""
        return len(self.targets)

    @cached_property
    def losses(self) -> NDArray[np.float64]:
        """The loss of each target in nats (N,), computed in float32."""
        return as_doubles(F.cross_entropy(self.logits, self.targets, reduction="none"))

    @cached_property
    def correct(self) -> NDArray[np.bool_]:
        """Whether the likeliest token is the target (N,)."""
        hits: NDArray[np.bool_] = (self.logits.argmax(dim=-1) == self.targets).cpu().numpy()
        return hits

    @cached_property
    def rows(self) -> Places:
        """The row of the batch in which each target is (N,)."""
        rows: Places = self.batch.counted.nonzero()[:, 0].numpy()
        return rows

    @cached_property
    def columns(self) -> Places:
        """The column of each target (N,): it is predicted from columns + 1 tokens."""
        columns: Places = self.batch.counted.nonzero()[:, 1].numpy()
        return columns

    @property
    def places(self) -> Places:
        """The place of each target in the split (N,)."""
        return self.batch.starts[self.rows] + self.columns + 1


def predict(model: GPT, batch: TargetBatch, device: str) -> Predictions:
    """Run a model on a batch, its head only where a target counts; there must be one."""
    hidden = model.hidden(batch.ids.to(device)).flatten(0, 1)  # (B * T, C)
    targets, counted = batch.targets.flatten(), batch.counted.flatten()
    if not bool(counted.all()):
        hidden, targets = hidden[counted.to(device)], targets[counted]
    return Predictions(batch, model.read_out(hidden).float(), targets.to(device))


def tokens_per_batch(
    config: ModelConfig, device: str = "cpu", precision: Precision = "float32"
) -> int:
    """How many tokens are computed at once; a limited number of batches is one of the CPU's."""
    tokens, logits = TOKENS_PER_BATCH, _LOGITS_PER_BATCH
    if device.startswith("cuda") and precision == "bfloat16":
        tokens, logits = _TOKENS_ON_GPU, _LOGITS_ON_GPU
    return min(tokens, logits // config.vocab_size)


@dataclass(frozen=True)
class EvaluationPass:
    """A model over the windows of a split, in eval mode, its products in ``precision``.

    Batch i falls into bucket i mod 64, and each bucket belongs to one process of the ``world``.
    The batches of a bucket are summed in order, then the buckets in order, so the number of
    processes changes no digit. ``advance`` is called after each batch with its number of
    targets. ``max_batches`` ends the pass early.
    """

    model: GPT
    split: Split
    device: str
    windows: Windowing
    world: World = ALONE
    advance: Advance = no_progress
    max_batches: int | None = None
    precision: Precision = "float32"

    def sums(
        self, size: int, measure: Callable[[Predictions], NDArray[np.float64]]
    ) -> NDArray[np.float64]:
        """Add up, over all batches, the ``size`` numbers that ``measure`` returns for each."""
        buckets = np.zeros((_BUCKETS, size))
        with evaluating(self.model):
            for number, predictions in self._own():
                buckets[number % _BUCKETS] += measure(predictions)
        total: NDArray[np.float64] = np.add.reduce(all_sum(self.world, buckets))
        return total

    def losses(self) -> tuple[NDArray[np.float64], Places]:
        """The loss of every target that counts and its place in the split, in order."""
        found = np.zeros((2, self.split.n_tokens))
        with evaluating(self.model):
            for _, predictions in self._own():
                found[0, predictions.places] = predictions.losses
                found[1, predictions.places] = 1
        losses, counted = all_sum(self.world, found)
        places = np.flatnonzero(counted)
        return losses[places], places

    def predictions(self) -> Iterator[Predictions]:
        """The predictions of each batch, in order; for a pass of one process."""
        assert self.world.size == 1, "other processes have the other batches"
        with evaluating(self.model):
            for _, predictions in self._own():
                yield predictions

    @torch.inference_mode()
    def _own(self) -> Iterator[tuple[int, Predictions]]:
        """The batches of this process, with their numbers."""
        config = self.model.config
        place = (self.device, self.precision) if self.max_batches is None else ()
        batches = self.windows.batches(self.split, tokens_per_batch(config, *place))
        for number, batch in enumerate(islice(batches, self.max_batches)):
            if number % _BUCKETS % self.world.size != self.world.rank:
                continue
            with autocast(self.device, self.precision):
                predictions = predict(self.model, batch, self.device)
            yield number, predictions
            self.advance(predictions.n_targets * self.world.size)


@contextlib.contextmanager
def evaluating(model: GPT) -> Iterator[None]:
    """Have a model compute without dropout, and as before afterwards."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


def as_doubles(values: Tensor) -> NDArray[np.float64]:
    """A tensor as an array of float64, which not every device has."""
    array: NDArray[np.float64] = values.cpu().double().numpy()
    return array
