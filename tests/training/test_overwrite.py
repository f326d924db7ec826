"""Another run takes the place of an old one with its first save, whenever it is killed."""

import os
import shutil
from pathlib import Path

import pytest
import torch

from gptcli.checkpoint.find import newest_run
from gptcli.checkpoint.resume import clear_stale_steps
from gptcli.checkpoint.run import read_record
from gptcli.checkpoint.weights_step import weights_step
from gptcli.errors import DivergedError, TrainingStopped
from gptcli.generation.loaded_model import load_model
from gptcli.runtime import directories
from gptcli.runtime.directories import remove_stale
from gptcli.training import loop
from gptcli.training.defaults import resolve
from gptcli.training.loop import run_training
from gptcli.training.resuming import continue_training
from gptcli.training.setup import begin_training
from gptcli.training.training_run import TrainingRun

from .test_loop import Listener, run

SIZES = {"n_layer": 1, "n_head": 1, "n_embd": 4, "block_size": 4, "batch_size": 1}
OLD_WIDTH, NEW_WIDTH = 4, 8


@pytest.fixture(autouse=True)
def without_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loss is drawn after each save, which takes longer than all else here."""
    monkeypatch.setattr(loop, "draw_loss", lambda *given: None)


@pytest.fixture
def begin_anew(dataset, tmp_path: Path):
    """``begin_anew(width, max_iters)``: a run that replaces what is at runs/a."""

    def make(width: int, max_iters: int = 2, root: Path = tmp_path) -> TrainingRun:
        values = {"family": "gpt2", **SIZES, "n_embd": width, "max_iters": max_iters}
        values |= {"eval_interval": 2, "eval_batches": 1}
        resolved = resolve(values, None, dataset.vocab_size, "cpu", "float32", 1)
        return begin_training(root / "runs" / "a", resolved, None, dataset, overwrite=True)

    return make


@pytest.fixture
def killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """``killed(work)``: copies of the folder as kills at each operation of ``work`` leave it."""

    def watch(work) -> list[Path]:
        copies: list[Path] = []
        is_copying = False

        def observed(function):
            def call(*given, **more):
                nonlocal is_copying
                if not is_copying:
                    is_copying = True
                    copies.append(tmp_path / "kills" / str(len(copies)))
                    shutil.copytree(tmp_path / "runs", copies[-1] / "runs")
                    is_copying = False
                return function(*given, **more)

            return call

        with monkeypatch.context() as patched:
            for place, name in (
                (os, "fsync"), (os, "mkdir"), (os, "rename"), (os, "replace"),
                (shutil, "rmtree"), (directories, "_exchange"),
            ):  # fmt: skip
                patched.setattr(place, name, observed(getattr(place, name)))
            work()
        return copies

    return watch


def width_of(root: Path) -> int:
    """The width of the model that the run answers with, after it has been loaded."""
    return load_model(root / "runs" / "a", "cpu").model.config.n_embd


def test_killed_at_any_moment_there_is_the_old_run_or_the_new_one(begin_anew, killed) -> None:
    run(begin_anew(OLD_WIDTH))
    widths = []
    copies = killed(lambda: run(begin_anew(NEW_WIDTH)))
    for copy in copies:
        widths.append(width_of(copy))
        # The next start on the name clears what the kill left, and begins or goes on.
        remove_stale(copy / "runs", "a")
        clear_stale_steps(copy / "runs" / "a")
        assert not [*copy.rglob(".*")]
    n_old = widths.count(OLD_WIDTH)
    assert widths == [OLD_WIDTH] * n_old + [NEW_WIDTH] * (len(widths) - n_old)
    assert 20 < n_old < len(copies) - 20


def test_each_kill_leaves_a_run_to_resume_and_to_overwrite(begin_anew, killed, dataset) -> None:
    run(begin_anew(OLD_WIDTH))
    for copy in killed(lambda: run(begin_anew(NEW_WIDTH)))[::20]:
        remove_stale(copy / "runs", "a")
        directory = copy / "runs" / "a"
        clear_stale_steps(directory)
        resumed, problems = continue_training(directory, read_record(directory), dataset, 3)
        run(resumed)
        assert problems == []
        assert weights_step(directory).max_iters == 3
        run(begin_anew(NEW_WIDTH, root=copy))
        assert width_of(copy) == NEW_WIDTH


def test_where_names_cannot_be_exchanged_the_next_start_restores_the_old_run(
    begin_anew, killed, monkeypatch
) -> None:
    monkeypatch.setattr(directories, "_exchange", lambda one, other: False)
    run(begin_anew(OLD_WIDTH))
    gone = 0
    for copy in killed(lambda: run(begin_anew(NEW_WIDTH))):
        gone += not (copy / "runs" / "a").exists()
        remove_stale(copy / "runs", "a")
        assert width_of(copy) in (OLD_WIDTH, NEW_WIDTH)
    assert gone == 1


def test_a_new_run_is_not_there_before_its_first_save(begin_anew, tmp_path) -> None:
    training = begin_anew(NEW_WIDTH)
    assert not (tmp_path / "runs" / "a").exists()
    heard = Listener()
    heard.stop.signal_name = "SIGTERM"
    with pytest.raises(TrainingStopped, match=r"SIGTERM before the first step.*start it again"):
        run(training, heard)
    training.place.discard()
    assert [*(tmp_path / "runs").iterdir()] == []


def test_what_fails_before_its_first_save_leaves_the_old_run(begin_anew, tmp_path) -> None:
    run(begin_anew(OLD_WIDTH))
    training = begin_anew(NEW_WIDTH)
    with torch.no_grad():
        training.model.token_embedding.weight[:] = torch.nan
    with pytest.raises(DivergedError):
        run_training(training, Listener(), Listener().stop)
    assert width_of(tmp_path) == OLD_WIDTH
    assert newest_run(tmp_path / "runs") == tmp_path / "runs" / "a"
