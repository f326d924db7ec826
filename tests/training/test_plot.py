"""loss.svg: the same bytes from the same metrics, readable in the dark, not squashed by step 0."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from gptcli.training.plot import draw_loss, draw_policy

LINES = [
    {"step": 0, "train_loss": 4.2, "val_loss": 4.3},
    {"step": 10, "loss": 3.5},
    {"step": 20, "loss": 3.0},
    {"step": 20, "train_loss": 2.9, "val_loss": None},
]
COURSE = [
    {"step": 0, "train_loss": 9.2, "val_loss": 9.3},
    *({"step": step, "loss": 9.0 / (1 + step / 10)} for step in range(10, 410, 10)),
    {"step": 100, "train_loss": 2.0, "val_loss": 2.1},
    {"step": 200, "train_loss": 1.6, "val_loss": 1.8},
    {"step": 300, "train_loss": 1.4, "val_loss": 1.7},
    {"step": 400, "train_loss": 1.2, "val_loss": 1.75},
]


def drawn(lines: list[dict[str, object]], path: Path, *given: object) -> str:
    draw_loss(lines, path / "loss.svg", "input: gpt2 2.7M <&>", *given)
    return (path / "loss.svg").read_text()


def written(svg: str) -> list[str]:
    """The texts of the picture, which matplotlib keeps as comments beside their outlines."""
    return [text.strip() for text in re.findall(r"<!--(.*?)-->", svg, re.DOTALL)]


def test_the_same_metrics_draw_the_same_file(tmp_path: Path) -> None:
    first = drawn(LINES, tmp_path)
    assert first == drawn(LINES, tmp_path)
    assert ElementTree.fromstring(first).tag.endswith("svg")


def test_a_run_without_metrics_draws_an_empty_plot(tmp_path: Path) -> None:
    draw_loss([], tmp_path / "empty.svg", "nothing yet")
    assert (tmp_path / "empty.svg").stat().st_size > 0


@pytest.mark.parametrize(("warmup", "highest"), [(0, 2.1), (100, 1.8)])
def test_the_axis_begins_at_the_first_evaluation_after_the_warm_up(
    tmp_path: Path, warmup: int, highest: float
) -> None:
    numbers = [float(text) for text in written(drawn(COURSE, tmp_path, warmup)) if "." in text[:2]]
    assert 1.0 < max(numbers) <= highest + 0.1


def test_the_best_evaluation_is_named(tmp_path: Path) -> None:
    assert any("best 1.7000" in text for text in written(drawn(COURSE, tmp_path)))
    only_train = [{**line, "val_loss": None} for line in COURSE if "val_loss" in line]
    assert any("best 1.2000" in text for text in written(drawn(only_train, tmp_path)))


def test_no_line_leads_from_step_0_to_the_evaluations(tmp_path: Path) -> None:
    only_start = drawn(LINES[:1], tmp_path)
    assert "train split" not in written(only_start)
    with_and_without = drawn(COURSE, tmp_path), drawn(COURSE[1:], tmp_path)
    assert with_and_without[0] == with_and_without[1]


def test_every_colour_is_exchanged_in_the_dark(tmp_path: Path) -> None:
    svg = drawn(COURSE, tmp_path)
    style, picture = svg.split("</style>", 1)[0], svg.split("<defs>", 1)[1]
    assert "prefers-color-scheme: dark" in style
    for kind, colour in set(re.findall(r"(fill|stroke): (#[0-9a-f]{6})", picture)):
        assert f'"{kind}: {colour}"' in style, (kind, colour)


POLICY = [
    {"step": 0, "val_reward": 0.25, "val_kl": 0.0},
    *({"step": n, "reward": n / 30, "kl": n / 100, "answer_tokens": 20.0} for n in range(1, 21)),
    {"step": 10, "val_reward": 0.75, "val_kl": 0.1},
    {"step": 20, "val_reward": 0.5, "val_kl": 0.2},
]


def test_a_policy_shows_its_reward_its_divergence_and_its_length(tmp_path: Path) -> None:
    draw_policy(POLICY, tmp_path / "loss.svg", "grpo")
    svg = (tmp_path / "loss.svg").read_text()
    texts = written(svg)
    assert {"reward", "held out", "KL (nats)", "tokens", "length of answers"} <= set(texts)
    assert any("best 0.7500" in text for text in texts), "the highest reward, not the lowest"
    draw_policy([], tmp_path / "empty.svg", "nothing yet")
    style, picture = svg.split("</style>", 1)[0], svg.split("<defs>", 1)[1]
    for kind, colour in set(re.findall(r"(fill|stroke): (#[0-9a-f]{6})", picture)):
        assert f'"{kind}: {colour}"' in style, (kind, colour)


def test_the_axis_says_what_the_loss_is_counted_by(tmp_path: Path) -> None:
    assert "loss (nats per token)" in written(drawn(COURSE, tmp_path))
    assert "loss (nats per pair)" in written(drawn(COURSE, tmp_path, 0, "pair"))
