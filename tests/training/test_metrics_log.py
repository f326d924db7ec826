"""metrics.jsonl: whole lines only, cut back on resuming."""

import os
from pathlib import Path

import pytest

from gptcli.errors import CheckpointError
from gptcli.training.metrics_log import MetricsLog


def test_cutting_back_drops_later_and_broken_lines(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path)
    for step in (0, 10, 20):
        log.append(step, loss=1.5 / (step + 1))
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 30, "lo')
    log.cut_back(10)
    assert [line["step"] for line in log.read()] == [0, 10]
    log.append(20, loss=0.5)
    assert log.read()[-1] == {"step": 20, "loss": 0.5}


def test_a_pipe_in_its_place_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "metrics.jsonl")
    with pytest.raises(CheckpointError, match="not a regular file"):
        MetricsLog(tmp_path).cut_back(10)
