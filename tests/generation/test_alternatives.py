"""Candidates beside the drawn token: against numpy."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from gptcli.generation.alternatives import alternatives, model_logprobs


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=9), st.integers(0, 8), st.integers(0, 12))
def test_ranks_are_those_of_a_stable_sort(values, drawn, count):
    drawn %= len(values)
    order = np.argsort(-np.array(values), kind="stable").tolist()
    seen = alternatives(torch.tensor(values, dtype=torch.float32), drawn, count)
    assert [one.id for one in seen.top] == order[:count]
    assert [one.rank for one in seen.top] == list(range(1, min(count, len(values)) + 1))
    assert (seen.drawn.id, seen.drawn.rank) == (drawn, order.index(drawn) + 1)
    assert seen.drawn.p == values[drawn]


def test_logprobs_are_a_plain_log_softmax():
    logits = torch.tensor([[1.0, 2.0, -3.0], [0.0, 1000.0, 999.0]])
    wide = logits.double().numpy()
    shifted = wide - wide.max(axis=1, keepdims=True)
    expected = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(model_logprobs(logits).numpy(), expected, rtol=1e-6)
