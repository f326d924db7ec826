"""How likely each target was, and which tokens were likelier.

N targets, K alternatives.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gptcli.errors import CheckpointError
from gptcli.evaluation.evaluation_pass import EvaluationPass, Predictions, as_doubles

ALTERNATIVES = 5


@dataclass(frozen=True)
class TokenScores:
    """Scores of targets: each array has a row per target, in the order of the text.

    Attributes:
        places: where the target stands in the split (N,).
        ids: the target (N,).
        losses: its loss in nats (N,); its probability is exp(-loss).
        ranks: 1 for the likeliest of all tokens (N,).
        top_ids: the likeliest tokens, in order (N, K).
        top_probabilities: their probabilities (N, K).

    """

    places: NDArray[np.int64]
    ids: NDArray[np.int64]
    losses: NDArray[np.float64]
    ranks: NDArray[np.int64]
    top_ids: NDArray[np.int64]
    top_probabilities: NDArray[np.float64]


def token_scores(evaluation_pass: EvaluationPass) -> Iterator[TokenScores]:
    """Score every target that counts, batch by batch; CheckpointError for a loss of NaN."""
    return map(_scores, evaluation_pass.predictions())


def _scores(predictions: Predictions) -> TokenScores:
    if not np.isfinite(predictions.losses).all():
        raise CheckpointError(
            "a loss is not finite: the model's weights are damaged, use an earlier checkpoint"
        )
    logits, targets = predictions.logits, predictions.targets
    own = logits.gather(1, targets[:, None])
    likeliest = logits.topk(min(ALTERNATIVES, logits.shape[1]), dim=1)
    probabilities = (likeliest.values - logits.logsumexp(dim=1, keepdim=True)).exp()
    return TokenScores(
        predictions.places,
        targets.cpu().numpy(),
        predictions.losses,
        1 + (logits > own).sum(dim=1).cpu().numpy(),
        likeliest.indices.cpu().numpy(),
        as_doubles(probabilities),
    )
