"""Which answer of a pair a language model finds likelier. P pairs."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from gptcli.data.answer_rows import AnswerRows
from gptcli.data.questions import Pairs
from gptcli.data.token_split import TokenSplit
from gptcli.evaluation.log_probabilities import answer_log_probabilities
from gptcli.evaluation.pair_rewards import PairFigures, pair_rewards
from gptcli.model.gpt import GPT
from gptcli.runtime.progress import Advance, no_progress
from gptcli.runtime.world import ALONE, World


@dataclass(frozen=True)
class PairPreference:
    """The share of ``n_pairs`` whose chosen answer is the likelier one; ties are half.

    ``by_sum`` compares the log-probabilities of whole answers, which favours short ones;
    ``by_mean`` those of a token.
    """

    n_pairs: int
    by_sum: float
    by_mean: float


def pair_preference(
    model: GPT,
    n_ids: int,
    split: TokenSplit,
    pairs: Pairs,
    world: World = ALONE,
    advance: Advance = no_progress,
) -> PairPreference:
    """Compare the two answers of every pair among the ``n_ids`` ids of the tokenizer."""

    def sums_of(rows: AnswerRows) -> Tensor:
        return answer_log_probabilities(model, rows, n_ids).sum(1)

    sums = pair_rewards(sums_of, split, pairs, world, advance)  # (P, 2)
    by_sum, by_mean = (PairFigures.of(one).accuracy for one in (sums, sums / _lengths(pairs)))
    return PairPreference(len(pairs), by_sum, by_mean)


def _lengths(pairs: Pairs) -> NDArray[np.int64]:
    """The number of predicted tokens of each answer (P, 2): without a prompt one less."""
    lengths = np.stack([pairs.rejected - pairs.chosen, pairs.ends - pairs.rejected], axis=1)
    unasked = (pairs.chosen == pairs.starts)[:, None]
    predicted: NDArray[np.int64] = np.maximum(lengths - unasked, 1)
    return predicted
