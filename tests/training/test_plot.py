"""loss.svg: the same metrics draw the same bytes."""

from pathlib import Path
from xml.etree import ElementTree

from gptcli.training.plot import draw_loss

LINES = [
    {"step": 0, "train_loss": 4.2, "val_loss": 4.3},
    {"step": 10, "loss": 3.5},
    {"step": 20, "loss": 3.0},
    {"step": 20, "train_loss": 2.9, "val_loss": None},
]


def test_the_same_metrics_draw_the_same_file(tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        draw_loss(LINES, tmp_path / name, "a run <&>")
    first = (tmp_path / "a.svg").read_bytes()
    assert first == (tmp_path / "b.svg").read_bytes()
    assert ElementTree.fromstring(first).tag.endswith("svg")


def test_a_run_without_metrics_draws_an_empty_plot(tmp_path: Path) -> None:
    draw_loss([], tmp_path / "empty.svg", "nothing yet")
    assert (tmp_path / "empty.svg").stat().st_size > 0
