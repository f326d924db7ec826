"""Which results a model reaches where it writes the steps of a calculation before the result.

B problems with questions of the same length, T tokens so far.
"""

import re

import numpy as np
import torch
from numpy.typing import NDArray

from gptcli.config.data import BEFORE_RESULT
from gptcli.evaluation.target_windows import Places, Split
from gptcli.generation.decoder import Decoder
from gptcli.model.gpt import GPT
from gptcli.tokenization.tokenizer import Tokenizer

_RESULT = re.compile(rf"{BEFORE_RESULT}(-?\d+)")


def has_steps(completion: str) -> bool:
    """Whether a completion is made of steps and a result."""
    return BEFORE_RESULT in completion


@torch.inference_mode()
def reaches_result(
    model: GPT, device: str, tokenizer: Tokenizer, split: Split, spans: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Generate greedily after each question, and compare what stands after the steps.

    ``spans`` (N, 3): where a question starts, where its completion does, and where that ends. A
    result counts whatever the steps before it.
    """
    right = np.zeros(len(spans), dtype=np.bool_)
    lengths = spans[:, 1] - spans[:, 0]
    for length in np.unique(lengths).tolist():
        rows = np.flatnonzero(lengths == length)
        written = _completions(model, device, tokenizer, split.gather(spans[rows, 0], length))
        for row, completion in zip(rows, written, strict=True):
            _, answer, end = spans[row].tolist()
            expected = split.read(answer, end - answer)
            right[row] = _result(completion, tokenizer) == _result(expected, tokenizer)
    return right


def _completions(
    model: GPT, device: str, tokenizer: Tokenizer, questions: NDArray[np.int64]
) -> list[Places]:
    """What the model writes after the questions (B, T), up to the end of the context."""
    n_rows, length = questions.shape
    context = model.config.block_size
    decoder = Decoder(model, n_rows, device, longest=context)
    ids, ended = torch.from_numpy(questions), torch.zeros(n_rows, dtype=torch.bool)
    while ids.shape[1] <= context and not bool(ended.all()):
        new = decoder.next_logits(ids).argmax(dim=-1)
        ids = torch.cat([ids, new[:, None]], dim=1)
        if tokenizer.end_of_text is not None:
            ended |= new == tokenizer.end_of_text
    return list(ids[:, length:].numpy())


def _result(completion: Places, tokenizer: Tokenizer) -> str | None:
    """The number after the steps; None where they do not come to an end."""
    ids = completion.tolist()
    if tokenizer.end_of_text in ids:
        ids = ids[: ids.index(tokenizer.end_of_text)]
    found = _RESULT.search(tokenizer.decode(ids))
    return found and found[1]
