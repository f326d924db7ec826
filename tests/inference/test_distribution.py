"""From logits to probabilities: against plain float64 arithmetic."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gptcli.config.sampling import SamplingConfig
from gptcli.inference.distribution import draw, keep_top_k, next_token_probabilities


@settings(deadline=None)
@given(
    logits=st.lists(st.floats(-50, 50, width=32), min_size=2, max_size=12, unique=True),
    temperature=st.floats(0.05, 10),
    top_k=st.integers(1, 12),
)
def test_probabilities_equal_a_plain_softmax(
    logits: list[float], temperature: float, top_k: int
) -> None:
    config = SamplingConfig(temperature=temperature, top_k=top_k)
    ours = next_token_probabilities(torch.tensor([logits]), config)[0].double().numpy()
    values = np.array(logits, dtype=np.float64)
    kept = np.argsort(-values)[:top_k]
    expected = np.zeros(len(values))
    expected[kept] = np.exp((values[kept] - values.max()) / temperature)
    np.testing.assert_allclose(ours, expected / expected.sum(), atol=1e-5)


def test_temperature_zero_takes_the_likeliest() -> None:
    logits = torch.tensor([[1.0, 3.0, 2.0], [0.0, 0.0, 5.0]])
    probabilities = next_token_probabilities(logits, SamplingConfig(temperature=0))
    assert probabilities.tolist() == [[0, 1, 0], [0, 0, 1]]


@pytest.mark.parametrize("temperature", [1e-3, 1e-30, 1e-60, 5e-324])
def test_a_tiny_temperature_gives_no_nan(temperature: float) -> None:
    logits = torch.tensor([[1000.0, -1000.0, 999.0]])
    probabilities = next_token_probabilities(logits, SamplingConfig(temperature=temperature))
    assert probabilities.tolist() == [[1, 0, 0]]


def test_top_k_keeps_exactly_k_of_equals() -> None:
    kept = keep_top_k(torch.zeros(1, 6), 2)
    assert int(torch.isfinite(kept).sum()) == 2


def test_draws_follow_the_probabilities() -> None:
    probabilities = torch.tensor([[0.1, 0.0, 0.6, 0.3]])
    stream = torch.Generator().manual_seed(0)
    drawn = [int(draw(probabilities, [stream])) for _ in range(4000)]
    shares = np.bincount(drawn, minlength=4) / 4000
    np.testing.assert_allclose(shares, probabilities[0].numpy(), atol=0.03)
    assert shares[1] == 0


@pytest.mark.parametrize("rows", [1, 5])
def test_a_row_draws_from_its_own_stream(rows: int) -> None:
    probabilities = torch.full((rows, 100), 0.01)
    streams = [torch.Generator().manual_seed(seed) for seed in range(rows)]
    alone = draw(probabilities[:1], [torch.Generator().manual_seed(0)])
    assert int(draw(probabilities, streams)[0]) == int(alone)
