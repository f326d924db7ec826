"""Which model directory is meant."""

import json
import os
from pathlib import Path

import pytest

from gptcli.checkpoint.find import model_directory, newest_run, run_of
from gptcli.errors import UsageError


def make_run(root: Path, name: str, created: str, whole: bool = True) -> Path:
    run = root / "runs" / name
    run.mkdir(parents=True)
    (run / "train.json").write_text(json.dumps({"created": created}))
    (run / "config.json").write_text("{}")
    if whole:
        (run / "model.safetensors").touch()
    return run


def test_the_newest_is_by_the_recorded_time_and_incomplete_ones_are_skipped(tmp_path) -> None:
    old = make_run(tmp_path, "z", "2026-01-01")
    new = make_run(tmp_path, "a", "2026-01-02")
    make_run(tmp_path, "b", "2026-01-03", whole=False)
    os.utime(old / "train.json", (4e9, 4e9))
    assert newest_run(tmp_path / "runs") == new


def test_no_run_names_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="gptcli train"):
        newest_run(tmp_path / "runs")


def test_a_near_miss_is_suggested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (make_run(tmp_path, "input", "2026-01-01") / "resume" / "step-00000010").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert model_directory(Path("runs/input")) == Path("runs/input")
    with pytest.raises(UsageError, match=r"runs/input\?"):
        model_directory(Path("runs/inptu"))
    with pytest.raises(UsageError, match=r"runs/input/resume/step-00000010\?"):
        model_directory(Path("runs/input/resume/step-00000000"))


def test_a_resume_step_belongs_to_its_run(tmp_path: Path) -> None:
    run = make_run(tmp_path, "input", "2026-01-01")
    step = run / "resume" / "step-00000010"
    step.mkdir(parents=True)
    assert run_of(run) == run
    assert run_of(step) == run.resolve()
    assert run_of(tmp_path) is None
