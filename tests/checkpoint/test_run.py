"""train.json: whole in both directions, and nothing odd gets in."""

import json
from pathlib import Path

import pytest

from gptcli.checkpoint.run import (
    DataReference,
    RunRecord,
    check_record,
    mark_saved,
    read_record,
    write_record,
)
from gptcli.config.model import ModelConfig
from gptcli.config.training import TrainConfig
from gptcli.errors import CheckpointError, UsageError

RECORD = RunRecord(
    created="2026-01-01T00:00:00.000000+00:00",
    version="0.1.0",
    preset=None,
    model=ModelConfig(n_layer=1, n_head=1, n_embd=8, block_size=8, vocab_size=5),
    training=TrainConfig(
        batch_size=1,
        max_iters=10,
        lr=1e-3,
        min_lr=1e-4,
        warmup_iters=0,
        eval_interval=5,
        device="cpu",
        precision="float32",
        eval_batches=3,
    ),
    data=DataReference("data/x", "a" * 64, "b" * 64, {"name": "x.txt"}),
)


def test_a_record_round_trips(tmp_path: Path) -> None:
    write_record(tmp_path, RECORD)
    assert read_record(tmp_path) == RECORD


@pytest.mark.parametrize(
    "change",
    [
        {"format": "gptcli.run/9"},
        {"model": None},
        {"model": {"n_layer": 1}},
        {"training": {**json.loads(json.dumps(RECORD.training.__dict__)), "speed": 9}},
        {"training": {**RECORD.training.__dict__, "batch_size": -1}},
        {"training": {**RECORD.training.__dict__, "device": None}},
        {"data": []},
        {"data": {**RECORD.data.__dict__, "source": "x.txt"}},
    ],
)
def test_a_changed_record_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    write_record(tmp_path, RECORD)
    file = tmp_path / "train.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(CheckpointError, match=r"train\.json"):
        read_record(tmp_path)


def test_a_change_of_a_value_is_told_and_no_save_vouches_for_it(tmp_path: Path) -> None:
    write_record(tmp_path, RECORD)
    file = tmp_path / "train.json"
    check_record(tmp_path)
    file.write_text(file.read_text().replace('"lr": 0.001', '"lr": 0.002'))
    mark_saved(tmp_path)
    assert read_record(tmp_path).training.lr == 0.002
    with pytest.raises(CheckpointError, match='take "checksum" out of it to keep the change'):
        check_record(tmp_path)
    kept = json.loads(file.read_text())
    del kept["checksum"]
    file.write_text(json.dumps(kept))
    mark_saved(tmp_path)
    check_record(tmp_path)


def test_a_directory_without_a_record_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        read_record(tmp_path)
