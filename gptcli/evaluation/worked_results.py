"""Which results a model reaches where it writes the steps of a calculation before the result."""

import re

import numpy as np
from numpy.typing import NDArray

from gptcli.config.data import BEFORE_RESULT
from gptcli.config.sampling import SamplingConfig
from gptcli.data.questions import Questions
from gptcli.data.token_split import TokenSplit
from gptcli.evaluation.answering import AnswerWriter
from gptcli.evaluation.evaluation_pass import EvaluationPass
from gptcli.tokenization.tokenizer import Tokenizer

_RESULT = re.compile(rf"{BEFORE_RESULT}(-?\d+)")


def has_steps(completion: str) -> bool:
    """Whether a completion is made of steps and a result."""
    return BEFORE_RESULT in completion


def reaches_result(
    evaluation_pass: EvaluationPass,
    tokenizer: Tokenizer,
    ends: frozenset[int],
    questions: Questions,
) -> NDArray[np.bool_]:
    """Let the model write greedily after each question, and compare what stands after the steps.

    A result counts whatever the steps before it. An answer may fill the rest of the context.
    """
    model, device, split = evaluation_pass.model, evaluation_pass.device, evaluation_pass.split
    assert isinstance(split, TokenSplit), "questions are those of a dataset"
    right = np.zeros(len(questions), dtype=np.bool_)
    lengths = questions.answers - questions.starts
    for length in np.unique(lengths).tolist():
        rows = np.flatnonzero(lengths == length)
        config = SamplingConfig(model.config.block_size + 1 - length, temperature=0.0)
        asked = questions.at(rows).read(split)
        written = AnswerWriter(model, tokenizer, device, ends, config).answers(asked.prompts)
        right[rows] = [
            _result(answer, tokenizer, ends) == _result(reference, tokenizer, ends)
            for answer, reference in zip(written.ids, asked.references, strict=True)
        ]
    return right


def _result(ids: list[int], tokenizer: Tokenizer, ends: frozenset[int]) -> str | None:
    """The number after the steps; None where they do not come to an end."""
    text = ids[:-1] if ids[-1] in ends else ids
    found = _RESULT.search(tokenizer.decode(text))
    return found and found[1]
