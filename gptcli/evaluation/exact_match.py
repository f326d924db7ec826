"""How many questions of masked data a model answers exactly, each asked by itself.

A model that always takes the likeliest token generates exactly the reference answer if, after the
question and any part of the answer, the next token of the answer is the likeliest. So one pass
over all questions tells which answers greedy generation would get right. In arithmetic, where
steps stand before the result, others may lead there as well: then the model writes its own, and
the result decides.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gptcli.data.questions import Questions, questions_of
from gptcli.data.token_split import TokenSplit
from gptcli.evaluation.evaluation_pass import EvaluationPass, Predictions
from gptcli.evaluation.target_windows import Places, Split, TargetBatch, masked_batch
from gptcli.evaluation.worked_results import has_steps, reaches_result
from gptcli.tokenization.tokenizer import Tokenizer

_QUESTION = re.compile(r"\d+([-+*/])\d+=")
OPERATIONS = "+-*/"


@dataclass(frozen=True)
class ExactMatches:
    """``n_correct`` of ``n_problems`` answered without an error."""

    n_correct: int
    n_problems: int

    @property
    def share(self) -> float:
        """The part of the problems that is solved, between 0 and 1."""
        return self.n_correct / self.n_problems


@dataclass(frozen=True)
class Problems:
    """The questions of a split that a model can be asked, and the tokens that end an answer.

    In arithmetic each has one of ``operations``, indices into OPERATIONS, and answers may be
    steps and a result.
    """

    questions: Questions
    ends: frozenset[int]
    operations: Places | None = None
    has_steps: bool = False

    def batches(self, split: Split, tokens_per_batch: int) -> Iterator[TargetBatch]:
        """Yield the questions, one a row, short ones first; only their answers are targets."""
        assert isinstance(split, TokenSplit), "questions are those of a dataset"
        lengths = self.questions.ends - self.questions.starts
        by_length, first = np.argsort(lengths, kind="stable"), 0
        while first < by_length.size:
            few = max(1, tokens_per_batch // int(lengths[by_length[first]]))
            longest = int(lengths[by_length[first : first + few][-1]])
            rows = by_length[first : first + max(1, tokens_per_batch // longest)]
            some = self.questions.at(rows)
            yield masked_batch(split, some.starts, some.answers - 1, some.ends - 1)
            first += rows.size


def problems_of(
    split: Split, tokenizer: Tokenizer, ends: frozenset[int], context: int
) -> Problems | None:
    """Find the questions of a split that fit a context with their answers; None without any."""
    if not (isinstance(split, TokenSplit) and split.is_masked):
        return None
    questions = questions_of(split, ends)
    questions = questions.at(np.flatnonzero(questions.ends - questions.starts <= context + 1))
    if not len(questions):
        return None
    operations = _operations(split, tokenizer, questions)
    if operations is None:
        return Problems(questions, ends)
    (first,) = questions.at(slice(0, 1)).read(split).references
    return Problems(questions, ends, operations, has_steps(tokenizer.decode(first)))


def _operations(split: TokenSplit, tokenizer: Tokenizer, questions: Questions) -> Places | None:
    """The operation that each question asks for; None where one is no problem of arithmetic."""
    found = []
    for start, answer in zip(questions.starts.tolist(), questions.answers.tolist(), strict=True):
        question = _QUESTION.fullmatch(tokenizer.decode(split.read(start, answer - start)))
        if question is None:
            return None
        found.append(OPERATIONS.index(question[1]))
    return np.array(found)


def exact_match(
    evaluation_pass: EvaluationPass, problems: Problems, tokenizer: Tokenizer
) -> dict[str, ExactMatches]:
    """Count the right answers, of ``all`` and of each operation; the windows are the problems."""
    questions, size = problems.questions, len(OPERATIONS)
    operations = problems.operations

    def measure(predictions: Predictions) -> NDArray[np.float64]:
        starts = predictions.batch.starts
        wrong = np.bincount(predictions.rows, ~predictions.correct, minlength=len(starts))
        numbers, is_right = np.searchsorted(questions.starts, starts), wrong == 0
        if problems.has_steps:
            others = questions.at(numbers[~is_right])
            is_right[~is_right] = reaches_result(evaluation_pass, tokenizer, problems.ends, others)
        kinds = np.zeros_like(numbers) if operations is None else operations[numbers]
        right = np.bincount(kinds, is_right, minlength=size)
        return np.concatenate([right, np.bincount(kinds, minlength=size)]).astype(np.float64)

    sums = evaluation_pass.sums(2 * size, measure).reshape(2, size).round().astype(int)
    scores = {"all": ExactMatches(*sums.sum(axis=1).tolist())}
    if operations is not None:
        each = zip(OPERATIONS, *sums.tolist(), strict=True)
        scores |= {name: ExactMatches(right, asked) for name, right, asked in each if asked}
    return scores
