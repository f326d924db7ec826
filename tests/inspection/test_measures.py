import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from gptcli.errors import UsageError
from gptcli.inspection.measures import Measured, MetricSums
from gptcli.inspection.metrics import COPY_SCORES, METRICS, check_metric

SINK = torch.zeros(5, 5).index_fill_(1, torch.tensor([0]), 1.0)
PREVIOUS = torch.eye(5).roll(-1, dims=1).tril()
PREVIOUS[1:, :4] = torch.eye(4)
PREVIOUS[0, 0], PREVIOUS[1:, 4] = 1.0, 0.0
UNIFORM = torch.ones(5, 5).tril() / torch.arange(1, 6)[:, None]


@st.composite
def causal_patterns(draw):
    """(H, T, T) float64 with exact zeros on the future and perhaps elsewhere."""
    shape = draw(st.tuples(st.integers(1, 3), st.integers(2, 7)))
    weights = st.one_of(st.just(0.0), st.floats(1e-6, 1.0))
    full = draw(arrays.arrays(np.float64, (shape[0], shape[1], shape[1]), elements=weights))
    full = np.tril(full) + 1e-9 * np.eye(shape[1])
    return full / full.sum(axis=-1, keepdims=True)


def looped(pattern: np.ndarray) -> dict[str, float]:
    """Every metric of one head (T, T) by plain loops over the rows from 1 on."""
    rows = range(1, len(pattern))
    bits = [sum(-p * math.log2(p) for p in pattern[i] if p > 0) for i in rows]
    values = {
        "entropy": bits,
        "relative_entropy": [b / math.log2(i + 1) for b, i in zip(bits, rows, strict=True)],
        "first_token": [pattern[i][0] for i in rows],
        "self": [pattern[i][i] for i in rows],
        "previous_token": [pattern[i][i - 1] for i in rows],
        "mean_distance": [sum(pattern[i][j] * (i - j) for j in range(i + 1)) for i in rows],
        "largest_weight": [max(pattern[i]) for i in rows],
        "residual_share": [2 * max(pattern[i]) for i in rows],  # what the test gives as shares
    }
    return {name: sum(column) / len(column) for name, column in values.items()}


def measure(pattern: torch.Tensor, at_once: int = 3) -> list[dict[str, Measured]]:
    """The metrics of a pattern whose rows are seen some at a time, with the keys up to theirs."""
    sums = MetricSums()
    for first in range(0, pattern.shape[1], at_once):
        weights = pattern[:, first : first + at_once, : first + at_once]
        sums.add(weights, first, 2 * weights.amax(dim=-1))
    return sums.measured()


@settings(deadline=None)
@given(causal_patterns())
def test_metrics_equal_plain_loops(pattern):
    for head, measured in enumerate(measure(torch.from_numpy(pattern))):
        expected = looped(pattern[head])
        assert measured.keys() == expected.keys() == METRICS.keys() - {*COPY_SCORES}
        for name, value in expected.items():
            assert measured[name].value == pytest.approx(value, abs=1e-12)
            assert measured[name].rows == pattern.shape[1] - 1


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (SINK, {"entropy": 0, "first_token": 1, "self": 0, "mean_distance": 2.5}),
        (PREVIOUS, {"entropy": 0, "previous_token": 1, "self": 0, "mean_distance": 1}),
        (UNIFORM, {"relative_entropy": 1, "mean_distance": 1.25}),
        (torch.eye(5), {"self": 1, "largest_weight": 1, "mean_distance": 0, "first_token": 0}),
    ],
)
def test_hand_made_heads(pattern, expected):
    measured = measure(pattern[None])[0]
    assert {name: measured[name].value for name in expected} == pytest.approx(expected, abs=1e-7)


def test_one_token_has_no_row_to_measure():
    measured = measure(torch.ones(2, 1, 1))
    assert [(m.value, m.rows) for head in measured for m in head.values()] == [(None, 0)] * 16


def test_an_unknown_metric_names_the_known_ones():
    with pytest.raises(UsageError, match=r"--sort entropi .* did you mean entropy\? .* self"):
        check_metric("--sort", "entropi")


def test_float32_is_exact_enough():
    scores = 3 * torch.randn(4, 300, 300, generator=torch.Generator().manual_seed(0)).double()
    pattern = scores.masked_fill(torch.ones(300, 300).triu(1) > 0, -torch.inf).softmax(-1)
    for single, double in zip(measure(pattern.float()), measure(pattern), strict=True):
        for name, value in double.items():
            assert single[name].value == pytest.approx(value.value, rel=1e-6)
