"""The paired difference between two models' losses on the same tokens, with its error."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class PairedDifference:
    """Mean difference of the loss in nats per token, and its standard error over windows.

    The error is None where there is a single window.
    """

    mean: float
    standard_error: float | None
    n_windows: int


def paired_difference(
    losses: NDArray[np.float64],
    others: NDArray[np.float64],
    places: NDArray[np.int64],
    window: int,
) -> PairedDifference:
    """Estimate the mean of ``losses - others`` (N,) of the targets at ``places`` (N,).

    Losses within ``window`` tokens depend on each other, so windows are the clusters: the
    error is that of a ratio of sums over clusters (Cochran 1977, 6.3 and 9A.1).
    """
    _, index, counts = np.unique((places - 1) // window, return_inverse=True, return_counts=True)
    sums = np.bincount(index, losses - others).astype(np.float64)
    return mean_over_windows(sums, counts)


def mean_over_windows(sums: NDArray[np.float64], counts: NDArray[np.int64]) -> PairedDifference:
    """Estimate a mean from the sums of the differences in each window and their ``counts``."""
    n_targets, n_windows = int(counts.sum()), len(counts)
    mean = float(sums.sum()) / n_targets
    if n_windows < 2:
        return PairedDifference(mean, None, n_windows)
    squares = float(np.square(sums - mean * counts).sum())
    return PairedDifference(
        mean, sqrt(squares * n_windows / (n_windows - 1)) / n_targets, n_windows
    )
