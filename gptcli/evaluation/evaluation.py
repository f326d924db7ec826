"""The loss over a split, in a fixed order, each target counted once.

N tokens have the targets 1 .. N-1, in windows of the context; the last may be shorter. In a
masked split only those that count are targets, and windows start at documents.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gptcli.evaluation.evaluation_pass import EvaluationPass
from gptcli.evaluation.predictions import Predictions
from gptcli.evaluation.target_batches import Reading, Split
from gptcli.model.gpt import GPT
from gptcli.runtime.progress import Advance, no_progress


@dataclass(frozen=True)
class Evaluation:
    """Sum of the losses in nats over ``n_targets`` tokens, ``n_correct`` of them guessed."""

    loss_sum: float
    n_targets: int
    n_correct: int

    @property
    def loss(self) -> float:
        """Mean loss in nats per token."""
        return self.loss_sum / self.n_targets

    @property
    def perplexity(self) -> float:
        """exp(loss): the number of equally likely tokens that would be as hard to guess."""
        return math.exp(self.loss) if self.loss < 700 else math.inf

    @property
    def accuracy(self) -> float:
        """Share of the tokens that the model held for the likeliest."""
        return self.n_correct / self.n_targets

    def bits_per(self, units: int) -> float:
        """Bits per unit, where the targets are ``units`` bytes or characters of text."""
        return self.loss_sum / math.log(2) / units


def evaluate_split(
    model: GPT,
    split: Split,
    device: str,
    n_tokens: int | None = None,
    max_batches: int | None = None,
    advance: Advance = no_progress,
) -> Evaluation:
    """Evaluate the first ``n_tokens`` of a split in windows that do not overlap.

    There must be a target among them. ``max_batches`` caps the work at that many batches;
    ``advance`` is that of EvaluationPass.
    """
    limit = split.n_tokens if n_tokens is None else min(n_tokens, split.n_tokens)
    reading = Reading(model.config.block_size, model.config.block_size, limit)
    return evaluate(
        EvaluationPass(model, split, device, reading, advance=advance, max_batches=max_batches)
    )


def evaluate(walk: EvaluationPass) -> Evaluation:
    """Evaluate what a walk goes over; there must be a target."""
    loss_sum, n_targets, n_correct = walk.sums(3, _measure).tolist()
    return Evaluation(loss_sum, round(n_targets), round(n_correct))


def _measure(predictions: Predictions) -> NDArray[np.float64]:
    losses, correct = predictions.losses, predictions.correct
    return np.array([losses.sum(), predictions.n_targets, np.count_nonzero(correct)], np.float64)
