"""Resume steps: committed whole, checked, and the one before is kept."""

import hashlib
import json
import os
from pathlib import Path

import pytest
import torch

from gptcli.checkpoint.resume import (
    Progress,
    Snapshot,
    clear_stale_steps,
    load_newest_step,
    load_step,
    resume_steps,
    save_step,
)
from gptcli.errors import CheckpointError, UsageError
from gptcli.generation.loaded_model import load_model


@pytest.fixture
def save(make_model, tokenizer, tmp_path):
    model = make_model()

    def save_one(step: int, keep: int = 2) -> None:
        optimizer = {"final_norm.weight.exp_avg": torch.full((8,), float(step))}
        snapshot = Snapshot(
            model.config,
            Progress(step, step, step, 1.5),
            dict(model.named_parameters()),
            optimizer,
        )
        save_step(tmp_path, snapshot, tokenizer, keep)

    return save_one


def test_the_newest_two_are_kept_and_the_newest_is_loaded(save, tmp_path: Path) -> None:
    for step in (0, 10, 20):
        save(step)
    assert [path.name for path in resume_steps(tmp_path)] == ["step-00000010", "step-00000020"]
    snapshot, problems = load_newest_step(tmp_path)
    assert snapshot.progress == Progress(20, 20, 20, 1.5)
    assert snapshot.optimizer["final_norm.weight.exp_avg"].tolist() == [20.0] * 8
    assert problems == []


def rot(run: Path, step: int) -> None:
    file = run / "resume" / f"step-{step:08d}" / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def test_saves_that_rot_never_push_out_the_good_ones(save, tmp_path: Path) -> None:
    for step in (10, 20):
        save(step)
    rot(tmp_path, 20)
    for step in (30, 40):
        save(step)
        rot(tmp_path, step)
    snapshot, problems = load_newest_step(tmp_path)
    assert snapshot.progress.step == 10
    assert len(problems) == 3
    with pytest.raises(CheckpointError, match="without --strict"):
        load_newest_step(tmp_path, is_strict=True)


def test_a_rotten_later_step_does_not_push_out_a_new_one(save, tmp_path: Path) -> None:
    save(10)
    save(20)
    rot(tmp_path, 20)
    save(15, keep=1)  # of the run that went on from 10
    assert [path.name for path in resume_steps(tmp_path)] == ["step-00000015", "step-00000020"]
    assert load_newest_step(tmp_path)[0].progress.step == 15


@pytest.mark.parametrize("keep", [1, 3])
def test_as_many_as_asked_for_are_kept(save, tmp_path: Path, keep: int) -> None:
    steps = (99_999_990, 99_999_999, 100_000_000, 100_000_010)
    for step in steps:
        save(step, keep)
    assert [path.name for path in resume_steps(tmp_path)] == [f"step-{n}" for n in steps[-keep:]]


def test_a_step_is_a_model_directory(save, tmp_path: Path, tokenizer) -> None:
    save(5)
    loaded = load_model(resume_steps(tmp_path)[0], "cpu")
    assert loaded.tokenizer.identity == tokenizer.identity


@pytest.mark.parametrize("file", ["model.safetensors", "optimizer.safetensors", "state.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_a_damaged_step_is_passed_over_aloud(save, tmp_path: Path, file: str, damage: str) -> None:
    save(1)
    save(2)
    path = tmp_path / "resume" / "step-00000002" / file
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    if damage == "flip":
        path.write_bytes(content)
    elif damage == "cut":
        path.write_bytes(content[:-1])
    else:
        path.unlink()
    snapshot, problems = load_newest_step(tmp_path)
    assert snapshot.progress.step == 1
    assert len(problems) == 1
    assert file in problems[0]


def test_nothing_whole_and_nothing_saved_are_told_apart(save, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        load_newest_step(tmp_path)
    save(1)
    (tmp_path / "resume" / "step-00000001" / "manifest.json").unlink()
    with pytest.raises(CheckpointError):
        load_newest_step(tmp_path)


def test_an_extra_file_in_a_step_is_refused(save, tmp_path: Path) -> None:
    save(1)
    step = resume_steps(tmp_path)[0]
    (step / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin"):
        load_step(step)


def test_half_written_steps_are_cleared(save, tmp_path: Path) -> None:
    save(1)
    half = tmp_path / "resume" / ".tmp-step-00000002-0123abcd"
    half.mkdir()
    (half / "model.safetensors").write_bytes(b"x")
    clear_stale_steps(tmp_path)
    assert not half.exists()
    assert len(resume_steps(tmp_path)) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"step": "2"},
        {"step": 1.5},
        {"step": -3},
        {"step": 10**30},
        {"best_loss": "x"},
        {"best_loss": None},
        {"best_step": 9},
        {"speed": 1},
    ],
)
def test_a_hostile_state_is_passed_over(save, tmp_path: Path, change: dict[str, object]) -> None:
    save(1)
    save(2)
    step = tmp_path / "resume" / "step-00000002"
    state = {**json.loads((step / "state.json").read_text()), **change}
    (step / "state.json").write_text(json.dumps(state))
    manifest = json.loads((step / "manifest.json").read_text())
    content = (step / "state.json").read_bytes()
    manifest["files"]["state.json"] = {
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    (step / "manifest.json").write_text(json.dumps(manifest))
    snapshot, problems = load_newest_step(tmp_path)
    assert snapshot.progress.step == 1
    assert "state.json" in problems[0]


@pytest.mark.parametrize("files", [None, [], "x", [1]])
def test_a_hostile_manifest_is_passed_over(save, tmp_path: Path, files: object) -> None:
    save(1)
    save(2)
    manifest = tmp_path / "resume" / "step-00000002" / "manifest.json"
    manifest.write_text(json.dumps({"files": files}))
    assert load_newest_step(tmp_path)[0].progress.step == 1


@pytest.mark.parametrize("kind", ["fifo", "link", "folder"])
def test_only_regular_files_belong_in_a_step(save, tmp_path: Path, kind: str) -> None:
    save(1)
    extra = resume_steps(tmp_path)[0] / "extra"
    if kind == "fifo":
        os.mkfifo(extra)
    elif kind == "link":
        extra.symlink_to("/dev/zero")
    else:
        extra.mkdir()
    with pytest.raises(CheckpointError, match="regular"):
        load_step(extra.parent)
