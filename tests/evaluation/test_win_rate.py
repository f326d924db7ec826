"""Win rates and their intervals, against scipy and against a loop."""

import numpy as np
import pytest

from gptcli.evaluation.win_rate import win_rate

stats = pytest.importorskip("scipy.stats")


@pytest.mark.parametrize(("won", "n"), [(0, 7), (7, 7), (3, 10), (70, 256), (1, 1)])
def test_the_interval_is_wilsons(won: int, n: int) -> None:
    rewards = (np.arange(n) < won).astype(float)[:, None]
    found = win_rate(2 * rewards, np.ones((n, 1)))
    theirs = stats.binomtest(won, n).proportion_ci(method="wilson")
    assert found.share == won / n
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high))


def test_ties_count_half_and_answers_are_compared_one_by_one() -> None:
    ours, theirs = np.array([[1.0, 0.0], [0.0, 0.0]]), np.array([[1.0, 1.0], [0.0, -1.0]])
    assert win_rate(ours, theirs).share == (0.5 + 0 + 0.5 + 1) / 4
    assert win_rate(theirs, ours).share == (0.5 + 1 + 0.5 + 0) / 4
