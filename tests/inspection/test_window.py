import pytest
import torch

from gptcli.commands.view.palette import ink_on, sequential
from gptcli.inspection.window import Window, fit_window, window_rows


@pytest.mark.parametrize(
    ("n_tokens", "room", "expected"),
    [
        (5, 20, Window(0, 5, 4)),
        (5, 19, Window(0, 5, 2)),
        (5, 9, Window(0, 5, 1)),
        (5, 4, Window(2, 5, 1)),
        (5, 0, Window(4, 5, 1)),
        (1, 0, Window(0, 1, 1)),
    ],
)
def test_the_widest_cells_that_fit_are_taken(n_tokens, room, expected):
    assert fit_window(n_tokens, room) == expected
    assert expected.width <= max(room, 2)


def test_a_cropped_row_still_sums_to_one_and_masks_the_future():
    pattern = torch.ones(6, 6).tril() / torch.arange(1, 7)[:, None]
    rows = window_rows(pattern, fit_window(6, 4))
    assert [len(row) for row in rows] == [4, 4, 4]
    assert [row.count(None) for row in rows] == [2, 1, 0]
    assert [sum(weight or 0 for weight in row) for row in rows] == pytest.approx([1, 1, 1])


def test_the_palette_goes_through_viridis():
    from matplotlib import colormaps

    for step in range(9):
        theirs = [255 * channel for channel in colormaps["viridis"](step / 8)[:3]]
        assert sequential(step / 8) == pytest.approx(theirs, abs=1)
    assert sequential(-1.0) == sequential(0.0)


def test_larger_shares_are_lighter_and_their_ink_contrasts():
    colours = [sequential(step / 100) for step in range(101)]
    lightness = [0.2126 * red + 0.7152 * green + 0.0722 * blue for red, green, blue in colours]
    assert lightness == sorted(lightness)
    assert ink_on(colours[0]) == (255, 255, 255)
    assert ink_on(colours[-1]) == (0, 0, 0)
