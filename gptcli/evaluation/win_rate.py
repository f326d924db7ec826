"""How often one model's answer to a question earns more than another's.

Q questions, S answers to each.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

_Z = 1.959963984540054  # 95 % of a normal distribution lie within so many standard deviations


@dataclass(frozen=True)
class WinRate:
    """The share of questions won, ties counted half, between the ends of a 95 % interval."""

    share: float
    low: float
    high: float


def win_rate(rewards: NDArray[np.float64], others: NDArray[np.float64]) -> WinRate:
    """How often ``rewards`` (Q, S) are higher than ``others`` (Q, S).

    The interval is Wilson's (1927) for Q independent questions. Where ties or several answers
    make a question's outcome less than all or nothing, it is wider than need be.
    """
    won = (rewards > others) + 0.5 * (rewards == others)
    share, n = float(won.mean()), len(won)
    centre = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    return WinRate(share, max(0.0, centre - half), min(1.0, centre + half))
