"""What a model says of the targets of a batch; the head computes nothing else.

N targets that count, V = vocabulary.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from gptcli.evaluation.target_batches import Batch, Places
from gptcli.model.gpt import GPT


@dataclass(frozen=True)
class Predictions:
    """Logits (N, V) in float32 and the targets (N,) that they are for, row after row."""

    batch: Batch
    logits: Tensor
    targets: Tensor

    @property
    def n_targets(self) -> int:
        """N."""
        return len(self.targets)

    @cached_property
    def losses(self) -> NDArray[np.float64]:
        """The loss of each target in nats (N,), computed in float32."""
        losses = F.cross_entropy(self.logits, self.targets, reduction="none")
        return as_doubles(losses)

    @cached_property
    def correct(self) -> NDArray[np.bool_]:
        """Whether the likeliest token is the target (N,)."""
        hits: NDArray[np.bool_] = (self.logits.argmax(dim=-1) == self.targets).cpu().numpy()
        return hits

    @cached_property
    def columns(self) -> Places:
        """How many tokens each target was seen with, less one (N,)."""
        columns: Places = self.batch.counted.nonzero()[:, 1].numpy()
        return columns

    @cached_property
    def places(self) -> Places:
        """Where each target stands in the split (N,)."""
        rows: Places = self.batch.counted.nonzero()[:, 0].numpy()
        return self.batch.starts[rows] + self.columns + 1


def predict(model: GPT, batch: Batch, device: str) -> Predictions:
    """Run a batch through a model; there must be a target in it that counts."""
    stream = model.hidden(batch.ids.to(device)).flatten(0, 1)  # (B * T, C)
    targets, counted = batch.targets.flatten(), batch.counted.flatten()
    if not bool(counted.all()):
        stream, targets = stream[counted.to(device)], targets[counted]
    return Predictions(batch, model.read_out(stream).float(), targets.to(device))


def as_doubles(values: Tensor) -> NDArray[np.float64]:
    """A tensor as an array of float64, which not every device has."""
    array: NDArray[np.float64] = values.cpu().double().numpy()
    return array
