"""The rows of an optimizer step."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Batch:
    """The rows of a step: tokens (B, T + 1), and of a masked split which targets count (B, T)."""

    step: int
    tokens: NDArray[np.int64]
    counted: NDArray[np.bool_] | None

    @property
    def n_targets(self) -> int:
        """The number of targets that count."""
        rows, length = self.tokens.shape
        return rows * (length - 1) if self.counted is None else int(np.count_nonzero(self.counted))
