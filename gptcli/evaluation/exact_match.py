"""How many problems of arithmetic a model solves, each asked by itself.

A model that always takes the likeliest token generates exactly the answer if, after the question
and any part of the answer, the next token of the answer is the likeliest. So one pass over all
problems tells which answers greedy generation would get right. Where steps stand before the
result, others may lead there as well: then the model writes its own, and the result decides.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from gptcli.data.token_split import TokenSplit
from gptcli.evaluation.evaluation_pass import EvaluationPass, Predictions
from gptcli.evaluation.target_windows import Places, Split, TargetBatch
from gptcli.evaluation.worked_results import has_steps, reaches_result
from gptcli.model.gpt import UNCOUNTED
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
class ArithmeticProblems:
    """Problem i: the question ``starts[i]`` up to ``answers[i]``, the answer up to ``ends[i]``.

    ``operations`` are indices into OPERATIONS. ``has_steps``: answers are steps and a result.
    """

    starts: Places
    answers: Places
    ends: Places
    operations: Places
    has_steps: bool = False

    def batches(self, split: Split, tokens_per_batch: int) -> Iterator[TargetBatch]:
        """Yield the problems, one a row; only the tokens of its answer are targets."""
        rows = max(1, tokens_per_batch // int((self.ends - self.starts).max()))
        for first in range(0, self.starts.size, rows):
            yield self._batch(split, slice(first, first + rows))

    def _batch(self, split: Split, part: slice) -> TargetBatch:
        starts, answers, ends = self.starts[part], self.answers[part], self.ends[part]
        width = int((ends - starts).max()) - 1
        ids = np.zeros((len(starts), width), dtype=np.int64)
        targets = np.full_like(ids, UNCOUNTED)
        for row, (start, answer, end) in enumerate(zip(starts, answers, ends, strict=True)):
            tokens = split.read(int(start), int(end - start))
            ids[row, : end - start - 1] = tokens[:-1]
            targets[row, answer - start - 1 : end - start - 1] = tokens[answer - start :]
        return TargetBatch(torch.from_numpy(ids), torch.from_numpy(targets), starts)


def arithmetic_problems(
    split: Split, tokenizer: Tokenizer, context: int
) -> ArithmeticProblems | None:
    """Find the problems of a split that fit a context; None where it holds something else."""
    if not (isinstance(split, TokenSplit) and split.is_masked and split.document_starts.size):
        return None
    starts = split.document_starts
    ends = np.append(starts[1:], split.n_tokens)
    mask = split.read_mask(0, split.n_tokens)
    answers = ends - np.add.reduceat(mask, starts, dtype=np.int64)
    operations = []
    for start, answer, end in zip(starts.tolist(), answers.tolist(), ends.tolist(), strict=True):
        question = _QUESTION.fullmatch(tokenizer.decode(split.read(start, answer - start)))
        if question is None or answer == end or not mask[answer:end].all():
            return None
        operations.append(OPERATIONS.index(question[1]))
    fits = ends - starts <= context + 1
    if not fits.any():
        return None
    first = tokenizer.decode(split.read(int(answers[0]), int(ends[0] - answers[0])))
    kept = (starts[fits], answers[fits], ends[fits], np.array(operations)[fits])
    return ArithmeticProblems(*kept, has_steps(first))


def exact_match(
    evaluation_pass: EvaluationPass, problems: ArithmeticProblems, tokenizer: Tokenizer
) -> dict[str, ExactMatches]:
    """Count the solved problems of each operation; the windows are the ``problems``."""
    size, model, device = len(OPERATIONS), evaluation_pass.model, evaluation_pass.device
    spans = np.stack([problems.starts, problems.answers, problems.ends], axis=1)

    def measure(predictions: Predictions) -> NDArray[np.float64]:
        starts = predictions.batch.starts
        wrong = np.bincount(predictions.rows, ~predictions.correct, minlength=len(starts))
        numbers, is_right = np.searchsorted(problems.starts, starts), wrong == 0
        if problems.has_steps:
            others = spans[numbers[~is_right]]
            split = evaluation_pass.split
            is_right[~is_right] = reaches_result(model, device, tokenizer, split, others)
        kinds = problems.operations[numbers]
        right = np.bincount(kinds, is_right, minlength=size)
        return np.concatenate([right, np.bincount(kinds, minlength=size)]).astype(np.float64)

    sums = evaluation_pass.sums(2 * size, measure).reshape(2, size)
    right, asked = sums.round().astype(int).tolist()
    scores = map(ExactMatches, right, asked)
    return {name: score for name, score in zip(OPERATIONS, scores, strict=True) if score.n_problems}
