"""Bars made of block characters: a horizontal bar, columns over an axis, a curve in a line."""

from collections.abc import Sequence
from itertools import pairwise

_ACROSS = " ▏▎▍▌▋▊▉"  # eighths of a cell, from the left
_UPWARD = " ▁▂▃▄▅▆▇█"  # eighths of a cell, from below
_HEIGHT = 8
_LABEL_WIDTH = 8


def bar(share: float, width: int) -> str:
    """A bar that fills ``share`` (0 to 1) of ``width`` cells, to an eighth of a cell."""
    full, rest = divmod(round(share * width * 8), 8)
    return "█" * full + (_ACROSS[rest] if rest else "")


def column_plot(values: Sequence[float | None], left: str, right: str) -> list[str]:
    """Columns from zero to the largest value, none of them negative; None leaves a gap.

    ``left`` and ``right`` label the ends of the axis.
    """
    high = max(value for value in values if value is not None)
    heights = [round((value or 0.0) / (high or 1.0) * 8 * _HEIGHT) for value in values]
    lines = [_row(heights, row) for row in reversed(range(_HEIGHT))]
    labels = [f"{high:.3f}", *[""] * (_HEIGHT - 2), "0"]
    axis = left + right.rjust(max(len(values) - len(left), len(right) + 1))
    rows = zip([*labels, ""], [*lines, axis], strict=True)
    return [f"{label:>{_LABEL_WIDTH}} {line}".rstrip() for label, line in rows]


def sparkline(values: Sequence[float], width: int) -> str:
    """A curve of ``width`` cells at most, from the smallest value to the largest.

    Each cell is the mean of its share of the values.
    """
    cells = min(width, len(values))
    if cells < 2:
        return ""
    ends = [len(values) * cell // cells for cell in range(cells + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in pairwise(ends)]
    low, high = min(means), max(means)
    steps = len(_UPWARD) - 2  # the lowest is a line, not a gap
    return "".join(_UPWARD[1 + round((one - low) / ((high - low) or 1) * steps)] for one in means)


def _row(heights: Sequence[int], row: int) -> str:
    return "".join(_UPWARD[min(max(height - 8 * row, 0), 8)] for height in heights)
