"""Treemaps, rectangles whose areas are given (Bruls et al. 2000, "Squarified treemaps")."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Rectangle:
    """A rectangle by its lower left corner, width and height."""

    x: float
    y: float
    width: float
    height: float


def treemap(sizes: Sequence[float], room: Rectangle) -> list[Rectangle]:
    """One rectangle per size, the largest first; they fill the room and are almost square."""
    assert all(size > 0 for size in sizes), "every size is above 0"
    assert list(sizes) == sorted(sizes, reverse=True), "the largest comes first"
    placed: list[Rectangle] = []
    while sizes:
        count = _row_length(sizes, room)
        row, sizes, share = sizes[:count], sizes[count:], sum(sizes[:count]) / sum(sizes)
        strip, room = _cut(room, share)
        placed += _divide(strip, row)
    return placed


def grouped_treemap(groups: Mapping[str, Sequence[float]], room: Rectangle) -> list[Rectangle]:
    """A treemap in which every group keeps together; rectangles in the order of the sizes.

    The largest group and the largest size of each come first.
    """
    rooms = treemap([sum(sizes) for sizes in groups.values()], room)
    pairs = zip(groups.values(), rooms, strict=True)
    return [one for sizes, place in pairs for one in treemap(sizes, place)]


def _row_length(sizes: Sequence[float], room: Rectangle) -> int:
    """The number of rectangles in a row: one more would make its narrowest one narrower."""
    worst = [_worst(sizes, count, room) for count in range(1, len(sizes) + 1)]
    better = (count for count in range(1, len(sizes)) if worst[count] > worst[count - 1])
    return next(better, len(sizes))


def _worst(sizes: Sequence[float], count: int, room: Rectangle) -> float:
    """The largest ratio of long to short side among the rectangles of the row."""
    strip, _ = _cut(room, sum(sizes[:count]) / sum(sizes))
    return max(
        max(one.width / one.height, one.height / one.width) for one in _divide(strip, sizes[:count])
    )


def _cut(room: Rectangle, share: float) -> tuple[Rectangle, Rectangle]:
    """A strip along the shorter side, and what is left."""
    x, y, width, height = room.x, room.y, room.width, room.height
    if width >= height:
        cut = width * share
        return Rectangle(x, y, cut, height), Rectangle(x + cut, y, width - cut, height)
    cut = height * share
    return Rectangle(x, y, width, cut), Rectangle(x, y + cut, width, height - cut)


def _divide(strip: Rectangle, sizes: Sequence[float]) -> list[Rectangle]:
    """Cut the strip across its longer side; a square is cut across its height."""
    total, start, parts = sum(sizes), 0.0, []
    for size in sizes:
        share = size / total
        if strip.width > strip.height:
            parts.append(
                Rectangle(strip.x + start * strip.width, strip.y, share * strip.width, strip.height)
            )
        else:
            parts.append(
                Rectangle(
                    strip.x, strip.y + start * strip.height, strip.width, share * strip.height
                )
            )
        start += share
    return parts
