"""The loss by position adds up to the whole, and each token lands where it was seen."""

import numpy as np
import pytest
import torch

from gptcli.evaluation.evaluation_pass import EvaluationPass
from gptcli.evaluation.loss import doublings, evaluate_split, even_parts, position_losses
from gptcli.evaluation.target_windows import StridedWindows


def test_positions_are_those_of_windows_side_by_side(model, random_tokens) -> None:
    text = random_tokens(8 * 5 + 4)
    found = position_losses(EvaluationPass(model, text, "cpu", StridedWindows(8, 8, text.n_tokens)))
    assert found.n_targets.tolist() == [6] * 3 + [5] * 5
    ids = torch.from_numpy(text.read(0, text.n_tokens))
    with torch.no_grad():
        table = model(ids[:40].view(5, 8)).double().log_softmax(-1)
    for column in range(3, 8):
        expected = -sum(float(table[row, column, ids[8 * row + column + 1]]) for row in range(5))
        assert found.loss_sums[column] == pytest.approx(expected, rel=1e-5)
    whole = evaluate_split(model, text, "cpu")
    everything = found.between(1, 8)
    assert everything.n_correct == whole.n_correct
    assert everything.loss == pytest.approx(whole.loss)


def test_overlapping_windows_leave_early_positions_to_the_first(model, random_tokens) -> None:
    found = position_losses(
        EvaluationPass(model, random_tokens(33), "cpu", StridedWindows(8, 2, 33))
    )
    assert found.n_targets.tolist() == [1] * 6 + [13] * 2
    assert found.between(1, 6).n_targets == 6


@pytest.mark.parametrize("context", [1, 2, 3, 8, 100, 1024])
def test_parts_cover_every_position_once(context) -> None:
    for parts in (list(doublings(context)), list(even_parts(context, 60))):
        covered = [seen for first, last in parts for seen in range(first, last + 1)]
        assert covered == list(range(1, context + 1))
    assert np.ptp([last - first for first, last in even_parts(context, 60)]) <= 1
