"""Rollouts: answers that a policy itself writes to questions, and what they are worth.

B answers, A tokens in the longest of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from gptcli.config.objective import GroupPolicy, PolicyConfig
from gptcli.config.sampling import SamplingConfig
from gptcli.data.answer_rows import AnswerRows, similar_lengths
from gptcli.data.order import ItemOrder, Numbers
from gptcli.data.questions import QuestionBatch, Questions, questions_of
from gptcli.data.token_split import TokenSplit
from gptcli.evaluation.answering import Answers, AnswerWriter
from gptcli.runtime.seeds import derive_seed
from gptcli.training.at_once import answer_tokens_at_once
from gptcli.training.protocol import CheckStop, StepValues
from gptcli.training.training_run import TrainingRun


@dataclass(frozen=True)
class Rollouts:
    """Questions, the answers that a policy wrote to them, and what each is worth, (B,)."""

    asked: QuestionBatch
    answers: Answers
    rewards: Tensor

    @cached_property
    def rows(self) -> AnswerRows:
        """The questions with their answers, B of them."""
        return AnswerRows.of(self.asked.prompts, self.answers.ids)

    @property
    def figures(self) -> StepValues:
        """Mean and standard deviation of the reward, mean length, the share that came to an end."""
        return {
            "reward": self.rewards.mean().item(),
            "reward_std": self.rewards.std(correction=0).item(),
            "answer_tokens": float(self.rows.n_tokens.mean()),
            "ended": float(self.answers.ended.mean()),
        }


@dataclass(frozen=True)
class MicroBatch:
    """Some of the rollouts: b rows, whose longest answer has a tokens.

    ``numbers`` (b,) are their places among all, ``mask`` (b, a) is true where an answer has a
    token.
    """

    rows: AnswerRows
    numbers: Tensor
    mask: Tensor

    def of(self, table: Tensor) -> Tensor:
        """The part (b, a) of a table of all rollouts (B, A)."""
        return table[self.numbers, : self.mask.shape[1]]

    def put(self, table: Tensor, values: Tensor) -> None:
        """Write values (b, a) to their part of a table (B, A)."""
        table[self.numbers, : self.mask.shape[1]] = values.detach()


def micro_batches(rows: AnswerRows, is_used: Tensor, size: int) -> list[MicroBatch]:
    """The rows that are used, (B,), at most ``size`` at once; those of similar length are together.

    So little is computed for what fills up the shorter ones.
    """
    device = is_used.device
    most_tokens = answer_tokens_at_once(device.type)
    numbers = np.flatnonzero(is_used.cpu().numpy())
    made = []
    for chosen in similar_lengths(rows.ends[numbers], most_tokens, size):
        part = numbers[chosen]
        own = rows[part]
        mask, places = (torch.from_numpy(one).to(device) for one in (own.mask, part))
        made.append(MicroBatch(own, places, mask))
    return made


def over_micro_batches(
    rows: AnswerRows, parts: Sequence[MicroBatch], figure: Callable[[AnswerRows], Tensor]
) -> Tensor:
    """A figure of every answer's tokens (B, A), computed without a gradient."""
    table = torch.zeros(rows.mask.shape, device=parts[0].mask.device)
    with torch.no_grad():
        for part in parts:
            part.put(table, figure(part.rows))
    return table


class RolloutWriter:
    """Has the policy answer the questions of an iteration, and asks what each answer is worth.

    Which questions an iteration has, and the random stream of each answer, are functions of the
    seed and the number of the iteration: there is no state to save. ``check_stop`` is called
    after each token.
    """

    def __init__(
        self, training: TrainingRun, objective: PolicyConfig, check_stop: CheckStop
    ) -> None:
        assert training.reward is not None, "answers are to be judged"
        config, dataset = training.config, training.dataset
        self._reward = training.reward
        self._check_stop = check_stop
        self._config = config
        models = [one for one in (training.model, training.reward_model) if one is not None]
        self._context = min(one.config.block_size for one in models)
        self._room = objective.max_new_tokens
        self._ends = dataset.answer_ends
        self._split = dataset.train
        self.questions = self.questions_of(dataset.train)
        self._group_size = objective.group_size if isinstance(objective, GroupPolicy) else 1
        n_questions = config.rows_per_iter // self._group_size
        self._order = ItemOrder(len(self.questions), n_questions, config.seed)
        sampling = SamplingConfig(max_new_tokens=self._room)
        self._writer = AnswerWriter(
            training.model, dataset.tokenizer, config.device, self._ends, sampling
        )

    def questions_of(self, split: TokenSplit) -> Questions:
        """The questions of a split that leave room for an answer."""
        return questions_of(split, self._ends).fitting(self._context, self._room)

    def write(self, step: int) -> Rollouts:
        """The rollouts of an iteration; StopAsked where a stop was asked for between two tokens."""
        return self._written(step, self._order.items(step))

    def rehearsed(self, rows: int) -> Rollouts:
        """About as many rollouts as ``rows``, each with an advantage whatever it is worth."""
        rollouts = self._written(0, self._order.items(0)[: max(1, rows // self._group_size)])
        numbers = torch.arange(len(rollouts.rewards), device=rollouts.rewards.device)
        return replace(rollouts, rewards=(numbers % 2).float())

    def _written(self, step: int, numbers: Numbers) -> Rollouts:
        asked = self.questions.at(numbers).read(self._split)
        repeated = (
            [ids for ids in one for _ in range(self._group_size)]
            for one in (asked.prompts, asked.references)
        )
        return self.answered(QuestionBatch(*repeated), "rollout", step)

    def answered(self, asked: QuestionBatch, *stream: str | int) -> Rollouts:
        """Have questions answered; row i draws from the random stream of this name and of i."""
        seeds = [derive_seed(self._config.seed, *stream, row) for row in range(len(asked.prompts))]
        answers = self._writer.answers(asked.prompts, seeds, after_token=self._check_stop)
        rewards = torch.from_numpy(self._reward(asked, answers)).float()
        return Rollouts(asked, answers, rewards.to(self._config.device))
