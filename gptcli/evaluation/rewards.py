"""Rewards: how good an answer is, by a rule or by a reward model.

Q questions with an answer each.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from gptcli.checkpoint.tensors import not_finite
from gptcli.config.data import BEFORE_RESULT
from gptcli.config.objective import REWARD_RULES
from gptcli.data.answer_rows import AnswerRows
from gptcli.data.dataset import Dataset
from gptcli.data.questions import QuestionBatch
from gptcli.errors import CheckpointError, DataError, UsageError
from gptcli.evaluation.answering import Answers
from gptcli.evaluation.scoring import answer_scores
from gptcli.generation.loaded_model import LoadedModel, check_same_tokenizer, load_model
from gptcli.tokenization.tokenizer import Tokenizer

_CLOSING = ".,;:!?)]}\"'\u2026\u201d\u2019\u00bb"  # punctuation that may follow the last word
_ROWS_AT_ONCE = 256


class Reward(Protocol):
    """Says how good each of some answers is."""

    def __call__(self, questions: QuestionBatch, answers: Answers) -> NDArray[np.float64]:
        """The reward of each answer: (Q,)."""
        ...


@dataclass(frozen=True)
class RuleReward:
    """1 for an answer that has its end token and agrees with the reference answer, else 0.

    They agree where ``essence`` makes the same of both texts.
    """

    tokenizer: Tokenizer
    ends: frozenset[int]
    essence: Callable[[str], str]

    def __call__(self, questions: QuestionBatch, answers: Answers) -> NDArray[np.float64]:
        """The reward of each answer: (Q,)."""
        pairs = zip(answers.ids, questions.references, strict=True)
        agrees = [self._essence(answer) == self._essence(right) for answer, right in pairs]
        return np.array(agrees, dtype=np.float64) * answers.ended

    def _essence(self, ids: list[int]) -> str:
        text = ids[:-1] if ids[-1] in self.ends else ids
        return self.essence(self.tokenizer.decode(text))


def whole_text(text: str) -> str:
    """The text without white space around it."""
    return text.strip()


def last_word(text: str) -> str:
    """The last word without the punctuation behind it: a number, or the letter of a choice.

    A word also begins behind a colon, as the result does behind the steps of a calculation.
    """
    words = text.replace(BEFORE_RESULT, " ").split()
    return words[-1].rstrip(_CLOSING) or words[-1] if words else ""


def exact_reward(tokenizer: Tokenizer, ends: frozenset[int]) -> RuleReward:
    """1 for the very text of the reference answer."""
    return RuleReward(tokenizer, ends, whole_text)


def final_reward(tokenizer: Tokenizer, ends: frozenset[int]) -> RuleReward:
    """1 for the last word of the reference answer, whatever stands before it."""
    return RuleReward(tokenizer, ends, last_word)


@dataclass(frozen=True)
class ModelReward:
    """The score that a reward model gives an answer at its last token.

    An answer without an end token was cut off: it pays ``missing_eos_penalty``.
    """

    loaded: LoadedModel
    missing_eos_penalty: float

    @torch.inference_mode()
    def __call__(self, questions: QuestionBatch, answers: Answers) -> NDArray[np.float64]:
        """The reward of each answer: (Q,)."""
        rows = AnswerRows.of(questions.prompts, answers.ids)
        self._check_fits(rows.ids.shape[1])
        parts = range(0, len(rows), _ROWS_AT_ONCE)
        scores = [self._scores(rows[first : first + _ROWS_AT_ONCE]) for first in parts]
        return np.concatenate(scores) - self.missing_eos_penalty * ~answers.ended

    def _scores(self, rows: AnswerRows) -> NDArray[np.float64]:
        scores: NDArray[np.float64] = answer_scores(self.loaded.model, rows).cpu().double().numpy()
        return scores

    def _check_fits(self, n_tokens: int) -> None:
        context = self.loaded.model.config.block_size
        if n_tokens > context:
            raise DataError(
                f"a question with its answer has {n_tokens:,} tokens, and the reward model in "
                f"{self.loaded.directory} has a context of {context:,}: train one with a longer "
                "context"
            )


def open_reward(name: str, dataset: Dataset, device: str, missing_eos_penalty: float) -> Reward:
    """The reward ``exact``, ``final``, or that of the reward model in a directory.

    Raises UsageError for a language model, CheckpointError where the model has another tokenizer
    than the dataset, or weights that are not finite.
    """
    if name in REWARD_RULES:
        make = exact_reward if name == "exact" else final_reward
        return make(dataset.tokenizer, dataset.answer_ends)
    loaded = load_model(Path(name), device)
    if not loaded.model.config.score:
        raise UsageError(
            f"--reward {name} is a language model, which writes and does not score: give exact, "
            "final, or a run of `gptcli train --objective reward`"
        )
    check_same_tokenizer(loaded.directory, loaded.tokenizer, dataset)
    if tensor := not_finite(loaded.model.state_dict()):
        raise CheckpointError(
            f"{loaded.directory}: tensor {tensor} has values that are not finite: use an earlier "
            "checkpoint"
        )
    return ModelReward(loaded, missing_eos_penalty)
