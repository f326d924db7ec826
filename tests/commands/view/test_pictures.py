"""A figure as a file: the same bytes every time, ink that follows the page, and literal text."""

import io
import re
import warnings
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.image import imread

from gptcli.commands.view.pictures import (
    BLUE,
    INK,
    drawable,
    drawable_words,
    png_bytes,
    svg_text,
)

HOSTILE = "$x^2$ a\nb\t\x1b[31m 日 👩 \u202e </script>-->"


def drawn(title: str = "plain") -> Figure:
    figure = Figure(figsize=(3, 2), layout="constrained", facecolor="none")
    axes = figure.add_subplot(facecolor="none")
    axes.plot([0, 1], color=BLUE)
    axes.set_title(drawable(title), color=INK, parse_math=False)
    return figure


def test_svg_is_the_same_every_time_and_its_ink_is_exchanged_in_the_dark() -> None:
    svg = svg_text(drawn)
    assert svg == svg_text(drawn)
    assert ElementTree.fromstring(svg).tag.endswith("svg")
    style, _, picture = svg.partition("</style>")
    for use in (f"fill: {INK}", f"stroke: {BLUE}"):
        assert f'[style*="{use}"]' in style, use
        assert use in picture, use
    assert "dc:date" not in svg


def test_png_has_the_asked_size_and_is_not_blank() -> None:
    data = png_bytes(drawn)
    assert data == png_bytes(drawn)
    pixels = imread(io.BytesIO(data))
    assert pixels.shape[:2] == (2 * 160, 3 * 160)
    assert pixels[0, 0, :3].tolist() == [1, 1, 1]
    assert len(np.unique(pixels.reshape(-1, 4), axis=0)) > 10


def test_a_users_settings_of_matplotlib_change_nothing() -> None:
    plain = svg_text(drawn)
    with rc_context({"font.size": 30, "axes.facecolor": "red", "text.usetex": True}):
        assert svg_text(drawn) == plain


@pytest.mark.parametrize("write", [svg_text, png_bytes])
def test_hostile_text_is_drawn_literally_and_without_a_warning(write) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        written = write(lambda: drawn(HOSTILE))
    if isinstance(written, str):
        ElementTree.fromstring(written)
        texts = re.findall(r"<!--(.*?)-->", written, re.DOTALL)
        (title,) = [text for text in texts if "x^2" in text]
        assert "$x^2$·a⏎b⇥\\x1b[31m·U+65E5·U+1F469·\\u202e·" in title


def test_what_the_font_lacks_is_named_by_its_code_point() -> None:
    assert drawable("é ↵ 👩") == "é·↵·U+1F469"
    assert drawable_words("two words\nof 日本") == "two words\nof U+65E5U+672C"
