"""Overlapping windows: every token counted once, with at least context - stride before it."""

import numpy as np
import pytest
import torch

from gptcli.evaluation.evaluation_pass import EvaluationPass
from gptcli.evaluation.loss import evaluate, evaluate_split
from gptcli.evaluation.target_windows import StridedWindows
from gptcli.model.gpt import GPT

CONTEXT = 8


def recipe(model: GPT, ids: torch.Tensor, stride: int) -> tuple[float, int]:
    """The strided loop of transformers' guide to perplexity, window after window."""
    total, previous_end = 0.0, 0
    for begin in range(0, len(ids) - 1, stride):
        end = min(begin + CONTEXT, len(ids) - 1)
        with torch.no_grad():
            table = model(ids[None, begin:end])[0].double().log_softmax(dim=-1)
        fresh = range(previous_end + 1, end + 1)
        total -= sum(float(table[place - 1 - begin, ids[place]]) for place in fresh)
        previous_end = end
        if end == len(ids) - 1:
            break
    return total, len(ids) - 1


@pytest.mark.parametrize("stride", [1, 3, 7, CONTEXT])
@pytest.mark.parametrize("n_tokens", [2, 5, 8, 9, 10, 17, 300])
def test_strided_loss_is_that_of_the_usual_recipe(model, random_tokens, stride, n_tokens) -> None:
    text = random_tokens(n_tokens)
    result = evaluate(EvaluationPass(model, text, "cpu", StridedWindows(CONTEXT, stride, n_tokens)))
    total, count = recipe(model, torch.from_numpy(text.read(0, n_tokens)), stride)
    assert result.n_targets == count
    assert result.loss_sum == pytest.approx(total, rel=1e-5)


def test_a_stride_of_the_context_is_no_overlap(model, random_tokens) -> None:
    text = random_tokens(1000)
    strided = evaluate(EvaluationPass(model, text, "cpu", StridedWindows(CONTEXT, CONTEXT, 1000)))
    assert strided == evaluate_split(model, text, "cpu")


@pytest.mark.parametrize("stride", [1, 3, CONTEXT])
def test_masked_targets_count_once_and_see_enough(masked_dataset, stride) -> None:
    draw = np.random.default_rng(3)
    word = lambda most: "".join(map(chr, draw.integers(97, 123, draw.integers(1, most))))  # noqa: E731
    split = masked_dataset([(word(20), word(9)) for _ in range(60)]).train
    seen: list[int] = []
    for batch in StridedWindows(CONTEXT, stride, split.n_tokens).batches(split, 32):
        for row, column in batch.counted.nonzero().tolist():
            place = int(batch.starts[row]) + column + 1
            before = split.read(int(batch.starts[row]), column + 1)
            assert batch.ids[row, : column + 1].tolist() == before.tolist()
            assert int(batch.targets[row, column]) == int(split.read(place, 1)[0])
            document = max(start for start in split.document_starts.tolist() if start <= place)
            in_document = place - document
            assert column + 1 >= min(CONTEXT - stride, in_document)
            assert column + 1 <= CONTEXT
            seen.append(place)
    assert seen == (np.flatnonzero(split.read_mask(1, split.n_tokens - 1)) + 1).tolist()


def test_the_head_computes_what_counts_and_nothing_else(model, masked_dataset) -> None:
    split = masked_dataset([("abcdefghijklmnopqrs=", "tuv"), ("wxyz=", "q")] * 9).train
    rows: list[int] = []
    model.lm_head.register_forward_hook(lambda _, inputs, __: rows.append(len(inputs[0])))
    assert evaluate_split(model, split, "cpu").n_targets == sum(rows) == 9 * 4
