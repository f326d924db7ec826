"""A treemap's rectangles have the areas that were asked for and tile the room."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gptcli.accounting.treemap import Rectangle, grouped_treemap, treemap


@given(st.lists(st.integers(1, 10**12), min_size=1, max_size=12), st.floats(1, 100))
def test_areas_are_shares_and_nothing_overlaps(sizes: list[int], height: float) -> None:
    sizes.sort(reverse=True)
    room = Rectangle(2.0, 3.0, 50.0, height)
    placed = treemap(sizes, room)
    area = room.width * room.height
    for size, one in zip(sizes, placed, strict=True):
        assert abs(one.width * one.height - area * size / sum(sizes)) < 1e-6 * area
        assert room.x - 1e-6 <= one.x and one.x + one.width <= room.x + room.width + 1e-6
        assert room.y - 1e-6 <= one.y and one.y + one.height <= room.y + room.height + 1e-6
    for number, one in enumerate(placed):
        for other in placed[:number]:
            wide = min(one.x + one.width, other.x + other.width) - max(one.x, other.x)
            high = min(one.y + one.height, other.y + other.height) - max(one.y, other.y)
            assert min(wide, high) < 1e-6


def test_equal_sizes_in_a_square_are_squares() -> None:
    for one in treemap([1, 1, 1, 1], Rectangle(0, 0, 2, 2)):
        assert abs(one.width - one.height) < 1e-9


def test_a_group_fills_a_rectangle_of_its_own() -> None:
    groups = {"large": [5, 4, 1], "small": [3, 2]}
    placed = grouped_treemap(groups, Rectangle(0, 0, 3, 5))
    assert [one.width * one.height for one in placed] == pytest.approx([5, 4, 1, 3, 2])
    for part, area in ((placed[:3], 10), (placed[3:], 5)):
        width = max(one.x + one.width for one in part) - min(one.x for one in part)
        height = max(one.y + one.height for one in part) - min(one.y for one in part)
        assert width * height == pytest.approx(area)
