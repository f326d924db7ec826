"""Small datasets and a run on one."""

import json
from pathlib import Path

import pytest

from gptcli.config.data import PrepareConfig
from gptcli.data.dataset import Dataset
from gptcli.data.preparation.prepare import Preparation, prepare
from gptcli.training.defaults import resolve
from gptcli.training.setup import begin_training
from gptcli.training.training_run import TrainingRun

SIZES = {
    "n_layer": 2, "n_head": 2, "n_embd": 16, "block_size": 16, "batch_size": 4,
    "max_iters": 30, "eval_interval": 10, "warmup_iters": 5,
}  # fmt: skip


@pytest.fixture
def dataset(prepare_string, tmp_path: Path) -> Dataset:
    words = "".join(f"the {n} cats ate {n * n} rats, " for n in range(200))
    return prepare_string(words, tmp_path / "data" / "words")


@pytest.fixture
def begin(dataset: Dataset, tmp_path: Path):
    def make(name: str, **given: object) -> TrainingRun:
        values = {"family": "gpt2", **SIZES, **given}
        resolved = resolve(values, None, dataset.vocab_size, "cpu", "float32", 2)
        return begin_training(tmp_path / "runs" / name, resolved, None, dataset)

    return make


@pytest.fixture
def sums(tmp_path: Path) -> Dataset:
    """Sums of small numbers with their results, as questions of different length."""
    lines = [
        json.dumps({"prompt": f"{a}+{b}=", "completion": f"{a + b}"})
        for a in range(0, 40, 3)
        for b in range(1, 13, 2)
    ]
    source = tmp_path / "sums.jsonl"
    source.write_text("\n".join(lines))
    config = PrepareConfig(val_fraction=0.2)
    return prepare(Preparation([str(source)], config=config), tmp_path / "data" / "sums")
