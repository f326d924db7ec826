import math

import pytest
from rich.text import Text

from gptcli.commands.inspect_attention.cells import WEIGHTS, Scale, draw_cell, scale_lines
from gptcli.commands.view.canvas import Canvas
from gptcli.commands.view.palette import diverging

PLAIN, COLOURED = Canvas(80), Canvas(80, in_colour=True, has_scale=True)
SCORES = Scale.of("scores", [-3.0, 12.0, None, -math.inf])


def cell(value, width, scale, canvas=PLAIN):
    line = Text()
    draw_cell(canvas, line, value, width, scale)
    assert len(line.plain) == width
    return line.plain.strip()


def test_a_scale_reaches_to_the_largest_value_that_is_not_masked():
    assert (SCORES.largest, SCORES.is_signed) == (12.0, True)
    assert not Scale.of("norms", [0.0, 2.5]).is_signed


@pytest.mark.parametrize(
    ("value", "width", "scale", "shown"),
    [
        (0.37, 4, WEIGHTS, "37"),
        (0.37, 2, WEIGHTS, "3"),
        (None, 6, SCORES, "."),
        (-math.inf, 6, SCORES, "-inf"),
        (-math.inf, 2, SCORES, "."),
        (-2.345, 6, SCORES, "-2.35"),
        (-112.34, 6, SCORES, "-112"),
        (11.0, 2, SCORES, "+"),
        (-5.0, 1, SCORES, "-"),
        (-2.0, 1, SCORES, ""),
        (0.8, 6, Scale("more", 0.8, is_share=True, is_signed=True), "+80"),
        (1.3, 1, Scale("norms", 2.0), "6"),
    ],
)
def test_cells_without_colour_show_their_value_as_there_is_room(value, width, scale, shown):
    assert cell(value, width, scale) == shown


def test_a_diverging_scale_is_dark_at_zero_and_bright_at_both_ends():
    assert max(diverging(0.0)) < 50
    assert diverging(-1.0)[2] == diverging(1.0)[0] == 255
    assert diverging(-9.0) == diverging(-1.0)


@pytest.mark.parametrize("scale", [WEIGHTS, SCORES, Scale("norms", 2.0)])
@pytest.mark.parametrize("width", [1, 6])
def test_each_scale_is_explained_with_and_without_colours(scale, width):
    for canvas in (PLAIN, COLOURED):
        assert scale.name in " ".join(line.plain for line in scale_lines(canvas, width, scale))
