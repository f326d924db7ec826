"""Models that answer the same questions, and how good their answers are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gptcli.commands.eval.command import EvalRequest
from gptcli.commands.eval.subject import Subject
from gptcli.commands.view.progress_bar import progress
from gptcli.commands.view.terminal import note
from gptcli.config.objective import MISSING_EOS_PENALTY
from gptcli.config.sampling import SamplingConfig
from gptcli.data.dataset import Dataset
from gptcli.data.questions import QuestionBatch, Questions, questions_of
from gptcli.data.token_split import TokenSplit
from gptcli.errors import DataError, UsageError
from gptcli.evaluation.answer_quality import AnswerQuality, measure_answers
from gptcli.evaluation.answering import AnswerWriter
from gptcli.evaluation.paired_difference import PairedDifference, mean_over_windows
from gptcli.evaluation.rewards import Reward, open_reward
from gptcli.evaluation.win_rate import WinRate, win_rate
from gptcli.runtime.device import memory_errors
from gptcli.runtime.escapes import typed


@dataclass(frozen=True)
class AskedQuestions:
    """The questions of a split that every model is asked, and how it may answer.

    ``n_left_out`` leave no room for an answer in the context of one of the models.
    """

    dataset: Dataset
    split: TokenSplit
    questions: Questions
    n_left_out: int
    config: SamplingConfig

    def read(self) -> QuestionBatch:
        """The ids of all questions and of their reference answers."""
        return self.questions.read(self.split)


@dataclass(frozen=True)
class JudgedModel:
    """A model's answers, its mean reward, and how it differs from the first one's (None there).

    The error of a mean is that over questions, whose answers are its clusters.
    """

    subject: Subject
    quality: AnswerQuality
    reward: PairedDifference
    difference: PairedDifference | None = None
    wins: WinRate | None = None


def asked_questions(subjects: Sequence[Subject], request: EvalRequest) -> AskedQuestions:
    """The questions that leave room for an answer in the context of every model.

    An answer may have a quarter more tokens than the longest reference answer of train, where
    the context has them.
    """
    for subject in subjects:
        subject.loaded.check_writes()
    first = subjects[0]
    dataset, split = _questioned(first)
    ends = dataset.answer_ends
    every, learnt = questions_of(split, ends), questions_of(dataset.train, ends)
    context = min(subject.context for subject in subjects)
    room = (learnt if len(learnt) else every).room_in(context)
    questions = every.fitting(context, room)
    if not len(questions):
        raise DataError(f"{first.place}: {_why_none(every, room, context)}")
    if n_left_out := len(every) - len(questions):
        note(
            f"{n_left_out:,} of {len(every):,} questions are left out: with an answer of "
            f"{room:,} tokens they are longer than the context, {context:,}"
        )
    config = SamplingConfig(room, request.temperature, num_samples=request.num_samples)
    return AskedQuestions(dataset, split, questions.at(slice(request.limit)), n_left_out, config)


def opened_reward(request: EvalRequest, asked: AskedQuestions, device: str) -> Reward:
    """The reward that is asked for; an answer that is cut off pays what it does in training."""
    assert request.reward is not None, "no reward was asked for"
    with memory_errors(f"--reward {request.reward}", "free some memory", device):
        return open_reward(request.reward, asked.dataset, device, MISSING_EOS_PENALTY)


def judged(
    subjects: Sequence[Subject], asked: AskedQuestions, batch: QuestionBatch, reward: Reward
) -> Iterator[JudgedModel]:
    """Let every model answer all questions, from the same random streams."""
    first: NDArray[np.float64] | None = None
    for subject in subjects:
        quality = _quality(subject, asked, batch, reward)
        rewards = quality.rewards
        if first is None:
            first = rewards
            yield JudgedModel(subject, quality, _mean(rewards))
            continue
        difference, wins = _mean(rewards - first), win_rate(rewards, first)
        yield JudgedModel(subject, quality, _mean(rewards), difference, wins)


def _questioned(subject: Subject) -> tuple[Dataset, TokenSplit]:
    """The dataset and its split; UsageError where it has no questions that could be answered."""
    dataset, split, model = subject.dataset, subject.tokens, typed(subject.loaded.directory)
    if dataset is None or not isinstance(split, TokenSplit) or not split.is_masked:
        raise UsageError(
            f"--reward needs questions with answers, and {subject.data} is plain text: make some, "
            f"gptcli prepare instructions --tokenizer {model}, and give them by --data"
        )
    if not dataset.answer_ends:
        raise UsageError(
            f"--reward: no token of {subject.data} ends an answer, so no model can have learnt to "
            "stop: prepare it with a tokenizer that has an end-of-text token"
        )
    return dataset, split


def _why_none(every: Questions, room: int, context: int) -> str:
    if not len(every):
        return "there are no questions: each document needs a prompt and an answer"
    shortest = int((every.answers - every.starts).min())
    return (
        f"no question fits: the shortest has {shortest:,} tokens, an answer may have {room:,}, "
        f"and the context has {context:,}: take a model with a longer context"
    )


def _quality(
    subject: Subject, asked: AskedQuestions, batch: QuestionBatch, reward: Reward
) -> AnswerQuality:
    loaded, config, ends = subject.loaded, asked.config, asked.dataset.answer_ends
    writer = AnswerWriter(loaded.model, loaded.tokenizer, loaded.device, ends, config)
    total = config.num_samples * len(batch.prompts)
    with (
        memory_errors("many answers at once", "free some memory", loaded.device),
        progress("answering", total, "answers") as advance,
    ):
        return measure_answers(writer, batch, reward, config.num_samples, advance)


def _mean(values: NDArray[np.float64]) -> PairedDifference:
    """The mean of (Q, S) values and its standard error over Q questions."""
    n_questions, n_samples = values.shape
    return mean_over_windows(values.sum(axis=1), np.full(n_questions, n_samples))
