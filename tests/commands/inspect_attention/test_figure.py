"""Figures of attention: what is drawn is what an independent computation gives."""

import re
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb

from gptcli.checkpoint.model_files import write_description
from gptcli.checkpoint.tensors import save_weights
from gptcli.commands.inspect_attention.figures.figure import draw_figure
from gptcli.commands.inspect_attention.figures.panels import comparison_figure, heads_figure
from gptcli.commands.inspect_attention.figures.pattern_axes import Look
from gptcli.commands.view.pictures import BLUE, ORANGE, svg_text
from gptcli.config.model import ModelConfig
from gptcli.generation.loaded_model import load_model
from gptcli.inspection.capture import attention_modules, record
from gptcli.inspection.excerpt import Excerpt
from gptcli.inspection.heads import Head
from gptcli.inspection.patterns import head_patterns
from gptcli.inspection.readings import Reading, compare
from gptcli.inspection.report import report_attention
from gptcli.model.initialization import new_model
from gptcli.tokenization.trainer import character_tokenizer

IDS = [0, 3, 8, 1, 1, 7, 2]
SOFTMAX = Look()
CHOSEN = (Head(1, 2), Head(0, 1))


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    tokenizer = character_tokenizer("abcdefgh \n$</>日👩")
    config = ModelConfig(2, 3, 24, block_size=300, vocab_size=tokenizer.vocab_size)
    place = tmp_path_factory.mktemp("figure") / "model"
    place.mkdir()
    write_description(place, config, tokenizer)
    weights = new_model(config, seed=3).state_dict()
    # Larger weights than those of a new model make patterns that are not almost even.
    save_weights(
        place / "model.safetensors", {name: 6 * one for name, one in weights.items()}, config
    )
    return place


@pytest.fixture(scope="module")
def asked(directory):
    """A function from a look and a text's ids to a figure's content, and what it is made of."""
    loaded = load_model(directory, "cpu")

    def figure_of(look=SOFTMAX, ids=IDS, heads=CHOSEN, cell=1, **more):
        recording = record(loaded.model, ids)
        shown = Excerpt(0, len(ids), cell)
        patterns = head_patterns(loaded.model, recording, heads, look.stage, shown)
        report = report_attention(loaded, recording)
        return heads_figure(report, patterns, look, "entropy", **more), loaded.model, recording

    return figure_of


def scores(model, recording, head):
    """q.k / sqrt(D) of one head in float64, from its rows of the matrices alone."""
    attention = attention_modules(model)[head.layer]
    received = recording.layers[head.layer].received.double()
    weight, bias = (one.detach().double() for one in attention.query_key_value.parameters())
    size = attention.head_size
    first = torch.arange(size) + head.index * size
    query, key = (
        torch.einsum("tc,dc->td", received, weight[rows]) + bias[rows]
        for rows in (first, first + 3 * size)
    )
    return torch.einsum("td,sd->ts", query, key) / size**0.5


def pattern(model, recording, head):
    future = torch.ones(len(IDS), len(IDS), dtype=torch.bool).triu(1)
    return scores(model, recording, head).masked_fill(future, -torch.inf).softmax(dim=-1)


@pytest.mark.parametrize("keys_down", [False, True])
def test_a_heatmap_holds_the_pattern_and_no_future(asked, keys_down) -> None:
    figure_asked, model, recording = asked(Look(keys_down=keys_down))
    figure = draw_figure(figure_asked)
    for axes, head in zip(figure.axes, CHOSEN, strict=False):
        shown = axes.images[0].get_array()
        shown = shown.T if keys_down else shown
        assert np.array_equal(shown.mask, np.triu(np.ones((7, 7), bool), 1))
        expected = pattern(model, recording, head).numpy()
        np.testing.assert_allclose(shown.filled(0), expected, atol=1e-6)
        assert axes.get_xlabel() == ("query" if keys_down else "key")
        assert axes.patches[0].get_hatch() == "////"
    reading = figure._supxlabel.get_text()
    assert f"Each {'column' if keys_down else 'row'} sums to 1." in reading
    assert reading.startswith("Keys down" if keys_down else "Queries down")


def dots_of(axes, colour):
    """Query, key and width of each dot of a colour; keys are down."""
    found = [one for one in axes.patches if one.get_facecolor()[:3] == to_rgb(colour)]
    assert len(found) <= 1
    for outline in found[0].get_path().vertices.reshape(-1, 13, 2) if found else ():
        (left, top), (right, bottom) = outline.min(axis=0), outline.max(axis=0)
        assert right - left == pytest.approx(bottom - top)
        yield round((left + right) / 2), round((top + bottom) / 2), right - left


def test_the_area_of_a_dot_is_its_weight(asked) -> None:
    figure_asked, model, recording = asked(Look(keys_down=True, in_dots=True), heads=CHOSEN[:1])
    axes = draw_figure(figure_asked).axes[0]
    expected = pattern(model, recording, CHOSEN[0]).numpy()
    dots = list(dots_of(axes, BLUE))
    assert len(dots) == (expected > 0.0005).sum()
    for query, key, width in dots:
        assert (width / 0.94) ** 2 == pytest.approx(expected[query, key], abs=1e-6)


def test_scores_of_both_signs_diverge_from_zero_and_show_the_future(asked) -> None:
    figure_asked, model, recording = asked(Look("scaled"), heads=CHOSEN[:1])
    axes = draw_figure(figure_asked).axes[0]
    expected = scores(model, recording, CHOSEN[0]).numpy()
    assert expected.min() < 0 < expected.max()
    assert not axes.patches, "nothing is masked before the mask"
    image = axes.images[0]
    np.testing.assert_allclose(image.get_array(), expected, atol=1e-5)
    assert image.norm.vmin == -image.norm.vmax == pytest.approx(-np.abs(expected).max())


def test_dots_of_both_signs_have_two_colours(asked) -> None:
    look = Look("scaled", keys_down=True, in_dots=True)
    figure_asked, model, recording = asked(look, heads=CHOSEN[:1])
    axes = draw_figure(figure_asked).axes[0]
    expected = scores(model, recording, CHOSEN[0]).numpy()
    largest, drawn = np.abs(expected).max(), 0
    for colour, sign in ((BLUE, -1), (ORANGE, 1)):
        for query, key, width in dots_of(axes, colour):
            share = sign * (width / 0.94) ** 2
            assert share == pytest.approx(expected[query, key] / largest, abs=1e-5)
            drawn += 1
    assert drawn == (np.abs(expected) > 0.0005 * largest).sum()


def test_masked_scores_are_hatched_and_called_minus_infinity(asked) -> None:
    figure = draw_figure(asked(Look("masked"))[0])
    assert figure.axes[0].images[0].get_array().mask.sum() == 7 * 6 / 2
    assert "minus infinity" in figure._supxlabel.get_text()
    assert "sums to 1" not in figure._supxlabel.get_text()


def test_without_heads_the_grid_of_all_stands_above_the_first_patterns(asked) -> None:
    figure_asked, *_ = asked(with_all_heads=True)
    figure = draw_figure(figure_asked)
    grid = figure.axes[0]
    values = [one.metrics["entropy"].value for one in figure_asked.grid.report.heads]
    assert grid.images[0].get_array().ravel().tolist() == values
    assert [text.get_text() for text in grid.texts] == [f"{value:.2f}" for value in values]
    titles = [axes.get_title(loc="left")[:5] for axes in figure.axes[1:3]]
    assert titles == ["L1.H2", "L0.H1"]


@pytest.mark.parametrize("n_tokens", [1, 8, 60, 250])
def test_labels_do_not_touch_and_a_single_pattern_tells_what_follows(asked, n_tokens) -> None:
    ids = [number % 9 for number in range(n_tokens)]
    figure = draw_figure(asked(ids=ids, heads=CHOSEN[:1])[0])
    svg_text(lambda: figure)  # lays it out
    axes = figure.axes[0]
    boxes = [label.get_window_extent() for label in axes.get_yticklabels()]
    assert all(low.y1 <= high.y0 for high, low in pairwise(boxes)), "the first token is on top"
    assert (len(boxes) == n_tokens) == (n_tokens <= 60)
    beside = [label.get_text() for one in axes.child_axes for label in one.get_yticklabels()]
    assert len(beside) == (n_tokens if n_tokens <= 60 else 0)
    assert all(text.startswith("next '") for text in beside)


def test_a_long_text_is_pooled_and_its_ticks_count_tokens(asked) -> None:
    ids = [number * number % 9 for number in range(50)]
    figure_asked, *_ = asked(ids=ids, heads=CHOSEN[:1], cell=5)
    figure = draw_figure(figure_asked)
    assert "Each cell is 5 by 5 tokens." in figure._supxlabel.get_text()
    axes = figure.axes[0]
    cells = axes.images[0].get_array()
    assert cells.shape == (10, 10)
    np.testing.assert_allclose(cells.filled(0).sum(axis=1), 1, atol=1e-5)
    assert [label.get_text() for label in axes.get_xticklabels()][:3] == ["0", "5", "10"]


def test_readings_stand_side_by_side_with_what_changed(directory, asked) -> None:
    loaded = load_model(directory, "cpu")
    changed = load_model(directory, "cpu")
    with torch.no_grad():
        for attention in attention_modules(changed.model):
            attention.query_key_value.weight.mul_(1.5)
    readings = [
        Reading(name, one, recording, report_attention(one, recording))
        for name, one, ids in (("$a$", loaded, IDS), ("b", changed, IDS), ("c", loaded, IDS[:4]))
        for recording in [record(one.model, ids)]
    ]
    figure = draw_figure(comparison_figure(compare(readings), CHOSEN, SOFTMAX))
    panels = figure.axes[: 2 * 4]
    first, second, third, change = (axes.images[0].get_array() for axes in panels[:4])
    assert third.shape == (4, 4)
    expected = [pattern(one.loaded.model, one.recording, CHOSEN[0]) for one in readings[:2]]
    for shown, weights in zip((first, second), expected, strict=True):
        np.testing.assert_allclose(shown.filled(0), weights.numpy(), atol=1e-6)
    np.testing.assert_allclose(change.filled(0), expected[1] - expected[0], atol=1e-6)
    assert change.mask.sum() == 7 * 6 / 2
    norm = panels[3].images[0].norm
    assert norm.vmin == -norm.vmax
    titles = [axes.get_title(loc="left") for axes in panels]
    assert titles[0].startswith("L1.H2") and titles[0].endswith(": $a$")
    assert titles[3] == "L1.H2: change, b"


def test_the_command_writes_both_formats_with_hostile_text_literal(cli, directory, tmp_path):
    argv = ("inspect-attention", directory, "--text", "a$b</$\n日👩", "--heads", "L1.H0", "--dots")
    outcome = cli(*argv, "--keys", "down", "--out", "figure.svg")
    assert outcome.code == 0
    assert "Warning" not in outcome.stderr
    svg = (tmp_path / "figure.svg").read_text(encoding="utf-8")
    ElementTree.fromstring(svg)
    labels = [text.strip() for text in re.findall(r"<!--(.*?)-->", svg, re.DOTALL)]
    assert labels.count("U+1F469") == labels.count("⏎") == 2
    assert labels.count("$") == 4
    assert cli(*argv, "--out", "figure.png").code == 0
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("--dots", "--compare", "b" * 70, "--format", "svg"), "--dots draws at most 64 tokens"),
        (("--dots",), "--dots works only with --format svg or png"),
        (("--keys", "down", "--json"), "--keys works only with --format svg or png"),
        (("--keys", "up", "--format", "svg"), "--keys up is unknown: choose one of across, down"),
        (("--format", "png"), "give --out figure.png"),
        (("--format", "svg", "--dots", "--text", "ab" * 40), "--dots draws at most 64 tokens"),
    ],
)
def test_mistakes_end_in_one_line_with_the_way_out(cli, directory, argv, words):
    text = () if "--text" in argv else ("--text", "abc")
    outcome = cli("inspect-attention", directory, "-q", *text, *argv)
    assert (outcome.code, outcome.stdout, outcome.stderr.count("\n")) == (2, "", 1)
    assert words in outcome.stderr
