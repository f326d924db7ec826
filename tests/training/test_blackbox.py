"""What is kept of a step that went wrong, and its repetition."""

import json
import math
from pathlib import Path

import pytest
import torch

from gptcli.errors import CheckpointError
from gptcli.training import at_once
from gptcli.training.blackbox import FOLDER, dissected, keep_step, read_kept
from gptcli.training.training_run import TrainingRun


def keep(training: TrainingRun, step: int) -> Path:
    batch = training.stepper().batch(step)
    tokenizer = training.dataset.tokenizer
    return keep_step(training.directory, training.model, tokenizer, batch, training.config)


@pytest.mark.parametrize("given", [{}, {"grad_accum": 2, "dropout": 0.3}], ids=["plain", "dropout"])
@pytest.mark.parametrize("rows", [3, 100], ids=["in parts", "whole"])
def test_a_repeated_step_is_the_step(begin, monkeypatch, given, rows: int) -> None:
    training = begin("a", family="gpt2", **given)
    config = training.model.config
    monkeypatch.setattr(at_once, "_NUMBERS", rows * config.block_size * config.n_embd)
    stepper = training.stepper()
    stepper.advance(0)
    kept = read_kept(keep(training, 1), "cpu")
    anatomy = dissected(kept.loaded.model, kept.batch, kept.training)
    stepper.advance(1)
    figures = stepper.figures()[-1]
    assert anatomy.loss == pytest.approx(figures.loss, rel=1e-5)
    assert anatomy.gradient_norm == pytest.approx(figures.gradient_norm, rel=1e-4)
    assert sum(anatomy.row_losses) / len(anatomy.row_losses) == pytest.approx(anatomy.loss)
    assert not any(part.not_finite for part in anatomy.parts)
    names = [f"block {index}" for index in range(training.model.config.n_layer)]
    assert [part.name for part in anatomy.parts] == [
        "token embedding", *names, "final norm", "head",
    ]  # fmt: skip


def test_the_part_where_numbers_end_is_found(begin) -> None:
    training = begin("a", family="gpt2")
    with torch.no_grad():
        training.model.blocks[-1].mlp.up.weight[0, 0] = math.inf
    kept = read_kept(keep(training, 0), "cpu")
    parts = dissected(kept.loaded.model, kept.batch, kept.training).parts
    wrong = [part.name for part in parts if part.not_finite]
    assert wrong[0] == f"block {training.model.config.n_layer - 1}"


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("blackbox.json", "{}"),
        ("blackbox.json", "["),
        ("blackbox.json", '{"format": "gptcli.blackbox/1", "step": "x", "training": []}'),
        ("batch.safetensors", "nothing"),
    ],
)
def test_a_damaged_one_is_refused(begin, file: str, content: str) -> None:
    place = keep(begin("a", family="gpt2"), 0)
    (place / file).write_text(content)
    with pytest.raises(CheckpointError):
        read_kept(place, "cpu")


def test_a_batch_of_another_vocabulary_is_refused(begin) -> None:
    from safetensors.torch import load_file, save_file

    place = keep(begin("a", family="gpt2"), 0)
    tokens = load_file(place / "batch.safetensors")["tokens"]
    save_file({"tokens": tokens + 10**6}, place / "batch.safetensors")
    with pytest.raises(CheckpointError, match="does not know"):
        read_kept(place, "cpu")


def test_what_is_kept_is_json_without_nan(begin) -> None:
    training = begin("a", family="gpt2")
    with torch.no_grad():
        training.model.final_norm.weight.fill_(math.nan)
    place = keep(training, 0)
    assert place.name == FOLDER
    text = (place / "blackbox.json").read_text()
    json.loads(text, parse_constant=lambda name: pytest.fail(name))
