"""Damaged records, configurations and headers, and what must hold of each that is read."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import safetensors
import safetensors.torch
import torch
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gptcli.checkpoint.config_json import model_config_json, read_model_config
from gptcli.checkpoint.header import read_header
from gptcli.checkpoint.manifest import write_manifest
from gptcli.checkpoint.resume import Progress, Snapshot, load_step, save_step
from gptcli.checkpoint.run import DataReference, RunRecord, read_record, write_record
from gptcli.config.model import ModelConfig
from gptcli.config.training import TrainConfig
from gptcli.data.dataset_record import DatasetRecord, Shard, SplitRecord, parse_record
from gptcli.families.registry import PRESETS
from gptcli.model.initialization import new_model
from gptcli.tokenization.trainer import character_tokenizer
from tests.faults.fuzzing import Target
from tests.faults.mutations import damaged_bytes, damaged_json

_MODEL = ModelConfig(n_layer=1, n_head=1, n_embd=8, block_size=8, vocab_size=3)
_TRAINING = TrainConfig(
    batch_size=1, max_iters=10, lr=1e-3, min_lr=1e-4, warmup_iters=0, eval_interval=5,
    device="cpu", precision="float32", eval_batches=3,
)  # fmt: skip
_RECORD = RunRecord(
    "2026-01-01T00:00:00.000000+00:00", "0.1.0", None, _MODEL, _TRAINING,
    DataReference("data/x", "a" * 64, "b" * 64, {"name": "x.txt"}),
)  # fmt: skip


def _damaged(document: Any) -> SearchStrategy[bytes]:
    changed = damaged_json(document).map(lambda text: text.encode())
    return changed | damaged_bytes(json.dumps(document, indent=2).encode())


def _configs() -> SearchStrategy[bytes]:
    known = [model_config_json(preset.model) for preset in PRESETS.values()]
    return st.sampled_from(known).flatmap(_damaged)


def _read_config(path: Path) -> None:
    config = read_model_config(path)
    path.write_text(json.dumps(model_config_json(config)))
    assert read_model_config(path) == config, "it is another model when it is written"


def _datasets() -> SearchStrategy[bytes]:
    shard = Shard("train/part-00000.bin", 9, "a" * 64, "b" * 64)
    train = SplitRecord(9, 9, 12, (shard,), 2, 0, 5, "c" * 64)
    val = SplitRecord(0, 0, 0, (), 0, 0, 0, "d" * 64)
    record = DatasetRecord(
        "2026", "uint16", 70, "e" * 64, {"name": "x"}, {"train": train, "val": val}
    )
    return _damaged(record.to_json())


def _read_dataset(path: Path) -> None:
    record = parse_record(path.read_bytes(), str(path))
    again = parse_record(json.dumps(record.to_json()).encode(), "again")
    assert again == record
    assert again.identity == record.identity


def _runs() -> SearchStrategy[bytes]:
    with tempfile.TemporaryDirectory() as place:
        write_record(Path(place), _RECORD)
        document = json.loads((Path(place) / "train.json").read_bytes())
    return _damaged(document)


def _read_run(path: Path) -> None:
    record = read_record(path.parent)
    write_record(path.parent, record)
    assert read_record(path.parent) == record


@cache
def _state() -> dict[str, Any]:
    return asdict(Progress(step=7, evaluated_step=5, best_step=5, best_loss=1.5))


def _states() -> SearchStrategy[bytes]:
    return _damaged(_state())


def _read_state(path: Path) -> None:
    """Put the state into a saved step whose manifest vouches for it."""
    run = path.parent / "run"
    step = run / "resume" / "step-00000007"
    if not step.is_dir():
        weights = dict(new_model(_MODEL, 0).named_parameters())
        save_step(
            run, Snapshot(_MODEL, Progress(**_state()), weights, {}), character_tokenizer("abc"), 2
        )
    (step / "state.json").write_bytes(path.read_bytes())
    write_manifest(step)
    progress = load_step(step).progress
    assert asdict(progress) == json.loads(path.read_bytes())


@cache
def _tensors() -> bytes:
    tensors = {"a.weight": torch.ones(3, 4), "b": torch.ones(5, dtype=torch.bfloat16)}
    return safetensors.torch.save({**tensors, "empty": torch.ones(0, 3)}, {"format": "pt"})


def _headers() -> SearchStrategy[bytes]:
    whole = _tensors()
    length = int.from_bytes(whole[:8], "little")
    header, body = json.loads(whole[8 : 8 + length]), whole[8 + length :]

    def file(text: str) -> bytes:
        raw = text.encode()
        return len(raw).to_bytes(8, "little") + raw + body

    return damaged_json(header).map(file) | damaged_bytes(whole)


def _read_header(path: Path) -> None:
    """What ours accepts the library must read, with the same names, types and shapes."""
    header = read_header(path)
    with safetensors.safe_open(path, "pt") as theirs:
        names = sorted(theirs.keys())
        shapes = {name: tuple(theirs.get_slice(name).get_shape()) for name in names}
        types = {name: theirs.get_slice(name).get_dtype() for name in names}
    assert sorted(header) == names
    assert {name: info.shape for name, info in header.items()} == shapes
    assert {name: info.dtype for name, info in header.items()} == types


RECORD_FILES: Mapping[str, Target] = MappingProxyType(
    {
        "config.json": Target("config.json", _configs, _read_config),
        "dataset.json": Target("dataset.json", _datasets, _read_dataset),
        "train.json": Target("train.json", _runs, _read_run),
        "state.json": Target("state.json", _states, _read_state),
        "headers of safetensors": Target("a.safetensors", _headers, _read_header),
    }
)
