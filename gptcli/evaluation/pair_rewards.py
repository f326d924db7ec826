"""What a model makes of pairs of answers: a reward for each, and the figures that follow.

P pairs. A reward model's rewards are its scores, those of a policy are implied by how much
likelier an answer has become (training/losses.py).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gptcli.data.answer_rows import AnswerRows, rows_of_pairs, similar_lengths
from gptcli.data.questions import Pairs
from gptcli.data.token_split import TokenSplit
from gptcli.evaluation.evaluation_pass import as_doubles
from gptcli.evaluation.processes import all_sum
from gptcli.runtime.progress import Advance, no_progress
from gptcli.runtime.world import ALONE, World

RewardsOf = Callable[[AnswerRows], Tensor]
"""A reward for each of some answers, (B,)."""

_TOKENS_AT_ONCE = 8192


@dataclass(frozen=True)
class PairFigures:
    """Means over pairs.

    Attributes:
        loss: -log of the probability that the chosen answer wins, in nats (Bradley and Terry).
        accuracy: the share of pairs whose chosen answer has the higher reward; ties are half.
        margin: by how much it is higher.
        chosen: the reward of chosen answers.
        rejected: the reward of rejected answers.

    """

    loss: float
    accuracy: float
    margin: float
    chosen: float
    rejected: float

    @classmethod
    def of(cls, rewards: NDArray[np.float64]) -> "PairFigures":
        """The figures of rewards (P, 2): of the chosen and of the rejected answer of each pair."""
        chosen, rejected = rewards.T
        margins = chosen - rejected
        with np.errstate(invalid="ignore"):  # who asked looks for what is not finite
            losses = np.logaddexp(0, -margins)
        return cls(
            loss=float(losses.mean()),
            accuracy=float(((margins > 0) + 0.5 * (margins == 0)).mean()),
            margin=float(margins.mean()),
            chosen=float(chosen.mean()),
            rejected=float(rejected.mean()),
        )


@torch.inference_mode()
def pair_rewards(
    rewards_of: RewardsOf,
    split: TokenSplit,
    pairs: Pairs,
    world: World = ALONE,
    advance: Advance = no_progress,
) -> NDArray[np.float64]:
    """The rewards (P, 2) of the chosen and the rejected answer of each pair.

    Pairs of similar length are computed together. Each process has its share of these batches,
    so the number of processes changes no digit. ``advance`` is given numbers of pairs.
    """
    found = np.zeros((len(pairs), 2))
    for number, batch in enumerate(similar_lengths(pairs.lengths, _TOKENS_AT_ONCE / 2)):
        if number % world.size == world.rank:
            rewards = rewards_of(rows_of_pairs(split, pairs.at(batch)))
            found[batch] = as_doubles(rewards).reshape(2, -1).T
            advance(len(batch) * world.size)
    return all_sum(world, found)
