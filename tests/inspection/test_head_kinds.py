import pytest
import torch

from gptcli.inspection.head_kinds import kind_of
from gptcli.inspection.measures import Measured, MetricSums

EVEN = torch.ones(6, 6).tril() / torch.arange(1, 7)[:, None]
SINK = torch.zeros(6, 6).index_fill_(1, torch.tensor([0]), 1.0)
PREVIOUS = torch.zeros(6, 6)
PREVIOUS[0, 0] = 1
PREVIOUS[range(1, 6), range(5)] = 1
FAR = torch.zeros(6, 6)
FAR[range(6), [0, 0, 0, 1, 2, 3]] = 1


def measure(pattern: torch.Tensor) -> list[dict[str, Measured]]:
    sums = MetricSums()
    sums.add(pattern, 0, torch.zeros(pattern.shape[:2]))
    return sums.measured()


@pytest.mark.parametrize(
    ("pattern", "word"),
    [
        (EVEN, "even"),
        (SINK, "first token (sink)"),
        (PREVIOUS, "previous token"),
        (torch.eye(6), "itself"),
        (0.3 * torch.eye(6) + 0.2 * PREVIOUS + 0.2 * SINK + 0.3 * FAR, None),
    ],
)
def test_hand_made_heads_have_their_word(pattern, word):
    assert kind_of(measure(pattern[None])[0]) == word


def test_a_score_on_a_random_sequence_comes_before_what_the_text_shows():
    metrics = {**measure(PREVIOUS[None])[0], "induction": Measured(0.31, 20)}
    assert kind_of(metrics) == "induction"


def test_one_token_says_nothing_of_a_head():
    assert kind_of(measure(torch.ones(1, 1, 1))[0]) is None
