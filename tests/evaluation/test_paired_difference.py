"""The standard error of a paired difference, against the textbook and against resampling."""

import numpy as np
import pytest

from gptcli.evaluation.paired_difference import paired_difference


def test_equal_windows_give_the_error_of_a_mean() -> None:
    draw = np.random.default_rng(0)
    windows = draw.normal(0.2, 1, 50)
    losses = draw.exponential(2.0, 500)
    others = losses - np.repeat(windows, 10)
    found = paired_difference(losses, others, np.arange(1, 501), 10)
    assert found.n_windows == 50
    assert found.mean == pytest.approx(windows.mean())
    assert found.standard_error == pytest.approx(windows.std(ddof=1) / np.sqrt(50))


def test_uneven_windows_vary_as_resampling_them_says() -> None:
    draw = np.random.default_rng(1)
    sizes = draw.integers(1, 20, 400)
    shifts = np.repeat(draw.normal(0.1, 0.5, 400), sizes) + draw.normal(0, 0.3, sizes.sum())
    places = np.concatenate([1 + 20 * n + np.arange(size) for n, size in enumerate(sizes)])
    found = paired_difference(shifts, np.zeros_like(shifts), places, 20)
    sums = np.add.reduceat(shifts, np.cumsum(sizes) - sizes)
    chosen = draw.integers(0, 400, (4000, 400))
    means = sums[chosen].sum(1) / sizes[chosen].sum(1)
    assert found.mean == pytest.approx(shifts.mean())
    assert found.standard_error == pytest.approx(means.std(), rel=0.05)


def test_one_window_has_no_error() -> None:
    found = paired_difference(np.ones(3), np.zeros(3), np.arange(1, 4), 8)
    assert (found.mean, found.standard_error, found.n_windows) == (1.0, None, 1)
