"""Scores of single tokens, against a plain look at the whole distribution."""

import numpy as np
import pytest
import torch

from gptcli.evaluation.evaluation_pass import EvaluationPass
from gptcli.evaluation.loss import evaluate_split
from gptcli.evaluation.target_windows import StridedWindows
from gptcli.evaluation.token_scores import token_scores


@pytest.mark.parametrize("stride", [8, 3])
def test_each_token_has_its_place_rank_and_alternatives(model, random_tokens, stride) -> None:
    text = random_tokens(60)
    ids = torch.from_numpy(text.read(0, 60))
    parts = list(token_scores(EvaluationPass(model, text, "cpu", StridedWindows(8, stride, 60))))
    places = np.concatenate([part.places for part in parts])
    assert places.tolist() == list(range(1, 60))
    part = parts[0]
    for row, place in enumerate(part.places.tolist()):
        # The first window that has the token: it starts at a multiple of the stride.
        begin = max(0, -(-(place - 8) // stride) * stride)
        with torch.no_grad():
            table = model(ids[None, begin:place])[0, -1].double().softmax(-1)
        order = table.argsort(descending=True).tolist()
        assert part.ids[row] == ids[place]
        assert np.exp(-part.losses[row]) == pytest.approx(float(table[ids[place]]), rel=1e-4)
        assert part.ranks[row] == 1 + order.index(int(ids[place]))
        assert part.top_ids[row].tolist() == order[:5]
        expected = [pytest.approx(float(table[one]), rel=1e-4) for one in order[:5]]
        assert part.top_probabilities[row].tolist() == expected
    whole = evaluate_split(model, text, "cpu")
    if stride == 8:
        assert sum(float(one.losses.sum()) for one in parts) == pytest.approx(whole.loss_sum)
        assert sum(int((one.ranks == 1).sum()) for one in parts) == whole.n_correct
