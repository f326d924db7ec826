"""The loss over a split, as a whole and by the number of tokens that a target is predicted from.

N tokens have the targets 1 .. N-1, in windows of the context; the last may be shorter. In a
masked split only the tokens that count are targets, and windows start at documents.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gptcli.config.model import ModelConfig
from gptcli.config.training import Precision
from gptcli.data.token_split import TokenSplit
from gptcli.evaluation.evaluation_pass import EvaluationPass, Predictions, tokens_per_batch
from gptcli.evaluation.target_windows import Split, StridedWindows
from gptcli.model.gpt import GPT
from gptcli.runtime.progress import Advance, no_progress
from gptcli.runtime.world import ALONE, World


@dataclass(frozen=True)
class Evaluation:
    """The sum of the losses in nats over ``n_targets``; of ``n_correct`` argmax is right."""

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
        """Share of the targets that were the likeliest token."""
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
    precision: Precision = "float32",
    world: World = ALONE,
) -> Evaluation:
    """Evaluate the first ``n_tokens`` of a split in windows that do not overlap.

    There must be a target among them. ``max_batches`` caps the work at that many batches;
    ``advance``, ``precision`` and ``world`` are those of EvaluationPass.
    """
    limit = split.n_tokens if n_tokens is None else min(n_tokens, split.n_tokens)
    windows = StridedWindows(model.config.block_size, model.config.block_size, limit)
    return evaluate(
        EvaluationPass(
            model,
            split,
            device,
            windows,
            world,
            advance,
            max_batches=max_batches,
            precision=precision,
        )
    )


def planned_targets(
    config: ModelConfig, split: TokenSplit, n_tokens: int, max_batches: int | None = None
) -> int:
    """The number of targets that ``evaluate_split`` will evaluate."""
    context = config.block_size
    n_windows = max_batches and max_batches * max(1, tokens_per_batch(config) // context)
    if split.is_masked:
        return int(split.windows(context).within(n_tokens).counts[:n_windows].sum())
    n_targets = n_tokens - 1
    return n_targets if n_windows is None else min(n_targets, n_windows * context)


def evaluate(evaluation_pass: EvaluationPass) -> Evaluation:
    """Evaluate all targets of a pass; there must be one."""
    loss_sum, n_targets, n_correct = evaluation_pass.sums(3, _measure).tolist()
    return Evaluation(loss_sum, round(n_targets), round(n_correct))


def _measure(predictions: Predictions) -> NDArray[np.float64]:
    losses, correct = predictions.losses, predictions.correct
    return np.array([losses.sum(), predictions.n_targets, np.count_nonzero(correct)], np.float64)


@dataclass(frozen=True)
class PositionLosses:
    """Sums over the targets that were predicted from 1, 2, .. context tokens, (context,) each."""

    loss_sums: NDArray[np.float64]
    n_targets: NDArray[np.int64]
    n_correct: NDArray[np.int64]

    def between(self, first: int, last: int) -> Evaluation | None:
        """Evaluate the targets predicted from ``first`` to ``last`` tokens; None without any."""
        part = slice(first - 1, last)
        n_targets = int(self.n_targets[part].sum())
        if not n_targets:
            return None
        return Evaluation(
            float(self.loss_sums[part].sum()), n_targets, int(self.n_correct[part].sum())
        )


def position_losses(evaluation_pass: EvaluationPass) -> PositionLosses:
    """Evaluate the targets by the number of tokens, 1 to context, that precede them."""
    context = evaluation_pass.model.config.block_size

    def measure(predictions: Predictions) -> NDArray[np.float64]:
        kinds = (predictions.losses, np.ones(predictions.n_targets), predictions.correct)
        return np.concatenate(
            [np.bincount(predictions.columns, kind, minlength=context) for kind in kinds]
        )

    losses, targets, correct = evaluation_pass.sums(3 * context, measure).reshape(3, context)
    return PositionLosses(losses, targets.round().astype(int), correct.round().astype(int))


def doublings(context: int) -> Iterator[tuple[int, int]]:
    """The ranges 1, 2, 3 to 4, 5 to 8, .. up to ``context``."""
    first = last = 1
    while first <= context:
        yield first, min(last, context)
        first, last = last + 1, 2 * last


def even_parts(context: int, most: int) -> Iterator[tuple[int, int]]:
    """The range 1 to ``context``, in at most ``most`` parts of nearly equal size."""
    boundaries = np.linspace(0, context, min(context, most) + 1).round().astype(int).tolist()
    yield from ((low + 1, high) for low, high in pairwise(boundaries))
