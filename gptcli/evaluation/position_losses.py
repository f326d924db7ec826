"""The loss by how much of the text a model has seen in its window."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gptcli.evaluation.evaluation import Evaluation
from gptcli.evaluation.evaluation_pass import EvaluationPass
from gptcli.evaluation.predictions import Predictions


@dataclass(frozen=True)
class PositionLosses:
    """Sums over the targets that were seen with 1, 2, .. context tokens (context,) each."""

    loss_sums: NDArray[np.float64]
    n_targets: NDArray[np.int64]
    n_correct: NDArray[np.int64]

    def between(self, first: int, last: int) -> Evaluation | None:
        """The targets seen with ``first`` to ``last`` tokens; None where there are none."""
        part = slice(first - 1, last)
        n_targets = int(self.n_targets[part].sum())
        if not n_targets:
            return None
        return Evaluation(
            float(self.loss_sums[part].sum()), n_targets, int(self.n_correct[part].sum())
        )


def position_losses(walk: EvaluationPass) -> PositionLosses:
    """The walk's figures apart for each number of tokens seen."""
    context = walk.model.config.block_size

    def measure(predictions: Predictions) -> NDArray[np.float64]:
        kinds = (predictions.losses, np.ones(predictions.n_targets), predictions.correct)
        return np.concatenate(
            [np.bincount(predictions.columns, kind, minlength=context) for kind in kinds]
        )

    losses, targets, correct = walk.sums(3 * context, measure).reshape(3, context)
    return PositionLosses(losses, targets.round().astype(int), correct.round().astype(int))


def doublings(context: int) -> Iterator[tuple[int, int]]:
    """1, 2, 3 to 4, 5 to 8, .. up to ``context``."""
    first = last = 1
    while first <= context:
        yield first, min(last, context)
        first, last = last + 1, 2 * last


def even_parts(context: int, most: int) -> Iterator[tuple[int, int]]:
    """1 to ``context`` in at most ``most`` parts of nearly equal size."""
    boundaries = np.linspace(0, context, min(context, most) + 1).round().astype(int).tolist()
    yield from ((low + 1, high) for low, high in pairwise(boundaries))
