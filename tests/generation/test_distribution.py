"""From logits to probabilities: against plain float64 arithmetic and transformers."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.generation.logits_process import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from gptcli.config.sampling import SamplingConfig
from gptcli.generation.distribution import (
    RandomStreams,
    draw,
    keep_min_p,
    keep_top_k,
    keep_top_p,
    next_token_probabilities,
    penalize_repetition,
)

NO_IDS = torch.zeros((1, 0), dtype=torch.long)


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
    ours = next_token_probabilities(torch.tensor([logits]), NO_IDS, config)[0].double().numpy()
    values = np.array(logits, dtype=np.float64)
    kept = np.argsort(-values)[:top_k]
    expected = np.zeros(len(values))
    expected[kept] = np.exp((values[kept] - values.max()) / temperature)
    np.testing.assert_allclose(ours, expected / expected.sum(), atol=1e-5)


def test_temperature_zero_takes_the_likeliest() -> None:
    logits = torch.tensor([[1.0, 3.0, 2.0], [0.0, 0.0, 5.0]])
    probabilities = next_token_probabilities(logits, NO_IDS, SamplingConfig(temperature=0))
    assert probabilities.tolist() == [[0, 1, 0], [0, 0, 1]]


@pytest.mark.parametrize("temperature", [1e-3, 1e-30, 1e-60, 5e-324])
def test_a_tiny_temperature_gives_no_nan(temperature: float) -> None:
    logits = torch.tensor([[1000.0, -1000.0, 999.0]])
    config = SamplingConfig(temperature=temperature)
    probabilities = next_token_probabilities(logits, NO_IDS, config)
    assert probabilities.tolist() == [[1, 0, 0]]


@pytest.mark.parametrize("temperature", [1e30, 1e39, 1e300])
def test_a_huge_temperature_makes_all_that_is_left_equally_likely(temperature: float) -> None:
    logits = torch.tensor([[3e38, -3e38, 999.0, 5.0]])
    config = SamplingConfig(temperature=temperature, top_k=3, repetition_penalty=0.01)
    probabilities = next_token_probabilities(logits, torch.tensor([[0, 2]]), config)
    assert probabilities[0, 1] == 0
    assert probabilities.sum() == pytest.approx(1)


def test_top_k_keeps_exactly_k_of_equals() -> None:
    kept = keep_top_k(torch.zeros(1, 6), 2)
    assert int(torch.isfinite(kept).sum()) == 2


def test_draws_follow_the_probabilities() -> None:
    probabilities = torch.tensor([[0.1, 0.0, 0.6, 0.3]])
    places = torch.rand(4000, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    drawn = draw(probabilities.expand(4000, -1), places).tolist()
    shares = np.bincount(drawn, minlength=4) / 4000
    np.testing.assert_allclose(shares, probabilities[0].numpy(), atol=0.03)
    assert shares[1] == 0


@pytest.mark.parametrize("rows", [1, 5])
def test_a_row_draws_from_its_own_stream(rows: int) -> None:
    streams, numbers = RandomStreams(range(rows)), []
    for count in range(100):  # row i begins i draws after the first
        numbers.append(streams.at((count - torch.arange(rows)).clamp(min=0), count))
    for row in range(rows):
        stream = torch.Generator().manual_seed(row)
        alone = [float(torch.rand(1, dtype=torch.float64, generator=stream)) for _ in range(95)]
        assert [float(one[row]) for one in numbers[row : row + 95]] == alone


def normal(seed: int, *shape: int) -> torch.Tensor:
    return 3 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("top_p", [0.001, 0.3, 0.9, 0.999, 1.0])
def test_top_p_keeps_what_transformers_keeps(seed: int, top_p: float) -> None:
    logits = normal(seed, 3, 50)
    assert torch.equal(keep_top_p(logits, top_p), TopPLogitsWarper(top_p)(NO_IDS, logits))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("min_p", [0.0, 0.02, 0.3, 1.0])
def test_min_p_keeps_what_transformers_keeps(seed: int, min_p: float) -> None:
    logits = normal(seed, 3, 50)
    assert torch.equal(keep_min_p(logits, min_p), MinPLogitsWarper(min_p)(NO_IDS, logits))


@pytest.mark.parametrize("penalty", [0.5, 1.0, 1.3, 4.0])
def test_the_repetition_penalty_is_that_of_transformers(penalty: float) -> None:
    logits = normal(0, 3, 20)
    ids = torch.tensor([[0, 1, 1, 5], [7, 7, 7, 7], [19, 0, 3, 2]])
    before = logits.clone()
    expected = RepetitionPenaltyLogitsProcessor(penalty)(ids, logits.clone())
    assert torch.equal(penalize_repetition(logits, ids, penalty), expected)
    assert torch.equal(logits, before)


@pytest.mark.parametrize("seed", range(12))
def test_all_together_give_the_distribution_of_transformers(seed: int) -> None:
    pick = np.random.default_rng(seed)
    config = SamplingConfig(
        temperature=float(pick.uniform(0.3, 2)),
        top_k=int(pick.integers(2, 40)),
        top_p=float(pick.uniform(0.2, 1)),
        min_p=float(pick.uniform(0, 0.2)),
        repetition_penalty=float(pick.uniform(0.8, 2)),
    )
    logits, ids = normal(seed, 2, 40), torch.tensor([[1, 2, 3], [39, 0, 0]])
    theirs = LogitsProcessorList(
        [
            RepetitionPenaltyLogitsProcessor(config.repetition_penalty),
            TemperatureLogitsWarper(config.temperature),
            TopKLogitsWarper(config.top_k),
            TopPLogitsWarper(config.top_p),
            MinPLogitsWarper(config.min_p),
        ]
    )
    expected = torch.softmax(theirs(ids, logits.clone()), dim=1)
    ours = next_token_probabilities(logits, ids, config)
    assert torch.equal(ours > 0, expected > 0)
    torch.testing.assert_close(ours, expected, atol=1e-6, rtol=1e-5)


def test_greedy_heeds_the_repetition_penalty() -> None:
    logits, ids = torch.tensor([[2.0, 1.9, 0.0]]), torch.tensor([[0]])
    config = SamplingConfig(temperature=0, repetition_penalty=1.2)
    assert next_token_probabilities(logits, ids, config).tolist() == [[0, 1, 0]]


def test_the_likeliest_survives_every_cut() -> None:
    config = SamplingConfig(top_k=1, top_p=1e-9, min_p=1.0)
    assert next_token_probabilities(torch.zeros(1, 5), NO_IDS, config).sum() == 1


def test_top_p_does_not_choose_among_equals() -> None:
    logits = torch.tensor([[0.0, 2.0, 1.0, 1.0, -1.0]])
    kept = keep_top_p(logits, 0.6).isfinite()  # the first has 0.51, each second 0.19
    assert kept.tolist() == [[False, True, True, True, False]]


@pytest.mark.parametrize("top_p", [0.2, 0.9, 0.999])
def test_top_p_of_a_large_vocabulary_is_that_of_transformers_too(top_p: float) -> None:
    logits = torch.cat([normal(0, 1, 5000), normal(1, 1, 5000) / 100])  # narrow and wide
    kept = keep_top_p(logits, top_p).isfinite()
    expected = TopPLogitsWarper(top_p)(NO_IDS, logits).isfinite()
    # Sums of thousands of float32 differ in their last digits, so the boundary may by a token.
    assert (kept.sum(1) - expected.sum(1)).abs().max() <= 2
    for row in range(2):
        assert torch.equal(keep_top_p(logits[row : row + 1], top_p).isfinite()[0], kept[row])


@pytest.mark.parametrize("seed", range(4))
def test_a_draw_is_where_a_random_number_falls_in_the_sums(seed: int) -> None:
    probabilities = torch.softmax(normal(seed, 3, 40), dim=1)
    places = torch.rand(3, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    ids = draw(probabilities, places)
    for row in range(3):
        sums = np.cumsum(probabilities[row].double().numpy())
        assert int(ids[row]) == int(np.argmax(sums / sums[-1] > float(places[row])))


def test_the_impossible_is_never_drawn() -> None:
    probabilities = torch.tensor([[0.0, 0.5, 0.0, 0.5, 0.0]])
    places = torch.tensor([[0.0], [0.25], [0.5], [1 - 2**-53]], dtype=torch.float64)
    assert draw(probabilities.expand(4, -1), places).tolist() == [1, 1, 3, 3]
