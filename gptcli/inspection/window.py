"""The part of a pattern that fits into a terminal."""

from dataclasses import dataclass

import torch
from torch import Tensor

from gptcli.inspection.stage_names import DEFAULT_STAGE, SCORES, Stage

CELL_WIDTHS = (4, 2, 1)  # a percentage, a square, a single character


@dataclass(frozen=True)
class Window:
    """The last tokens of a pattern, from token ``first`` on, in cells of ``cell_width``.

    Where tokens are left out, one more column in front has the sum of their weights, or the
    largest of their scores.
    """

    first: int
    n_tokens: int
    cell_width: int

    @property
    def is_cropped(self) -> bool:
        """Whether earlier tokens are left out."""
        return self.first > 0

    @property
    def columns(self) -> int:
        """Cells in a row."""
        return self.n_tokens - self.first + self.is_cropped

    @property
    def width(self) -> int:
        """Characters in a row of cells."""
        return self.columns * self.cell_width


def fit_window(n_tokens: int, room: int, widest: int = CELL_WIDTHS[0]) -> Window:
    """Choose the widest cells in which all tokens fit ``room`` characters, else the last ones.

    ``widest`` is the width in which every token's text fits on one line.
    """
    for cell_width in sorted({*CELL_WIDTHS, max(widest, CELL_WIDTHS[0])}, reverse=True):
        if n_tokens * cell_width <= room:
            return Window(0, n_tokens, cell_width)
    shown = max(room - 1, 1)
    return Window(max(n_tokens - shown, 0), n_tokens, 1)


def window_rows(
    pattern: Tensor, window: Window, stage: Stage = DEFAULT_STAGE
) -> list[list[float | None]]:
    """The cells of a pattern (T, T) row by row; None on the future, where there are weights.

    Scores are there for the future, too, until the mask makes them -inf.
    """
    shown, has_future = pattern[window.first :, window.first :], stage in SCORES
    if window.is_cropped:
        earlier = pattern[window.first :, : window.first]
        before = earlier.amax(dim=1) if has_future else earlier.sum(dim=1)
        shown = torch.cat([before[:, None], shown], dim=1)
    return [
        [
            weight if has_future or column <= row + window.is_cropped else None
            for column, weight in enumerate(line)
        ]
        for row, line in enumerate(shown.tolist())
    ]
