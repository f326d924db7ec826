"""The command that repeats a run says what differs from the usual, and is understood as meant."""

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from gptcli.commands.train.command import TrainRequest
from gptcli.commands.train.repetition import repeating_command
from gptcli.families.registry import find_preset
from gptcli.training.defaults import resolve

A_MILLION = 10**6
DATA = Path("data/input")


def repeat(preset: str | None = None, request: TrainRequest | None = None, **given):
    """The command for a run of an hour with 777 steps, and what its flags resolve to."""
    model = None if preset is None else find_preset(preset)

    def resolve_here(values):
        return resolve(values, model, 65, "cpu", "float32", 2, A_MILLION)

    first = resolve_here({"time_budget": 3600.0, **given})
    final = replace(first.training, max_iters=777, eval_interval=259)
    asked = request or TrainRequest(preset=preset)
    command = repeating_command(asked, DATA, first.model, final, resolve_here)
    return command, first.model, final


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"n_layer": 2, "dropout": 0.1, "lr": 0.02, "seed": 7},
        {"optimizer": "adamw", "schedule": "linear", "grad_accum": 2},
        {"n_layer": 1, "n_head": 2, "n_embd": 16, "block_size": 16},
        {"family": "gpt2"},
        {"family": "llama", "n_kv_head": 2, "tied": True, "n_inner": 96},
        {"bias": False, "activation": "relu", "patience": 3},
        {"positions": "rotary", "norm": "layer", "bias": True, "gated": True},
        {"optimizer": "muon", "tied": True, "embedding_lr": 1e-3},
        {"batch_size": 5, "order": "random", "grad_clip": 0.0, "eval_batches": 2},
        {"time_budget": 60.0},
        {"time_budget": 120.0, "n_kv_head": 2},
    ],
)
def test_its_flags_resolve_to_the_same_model_and_training(given) -> None:
    command, model, final = repeat(**given)
    words = shlex.split(command)
    assert words[:4] == ["gptcli", "train", "--data", "data/input"]
    flags = _parsed(words[4:])
    again = resolve(flags, None, 65, "cpu", "float32", 2, A_MILLION)
    assert again.model == model
    assert again.training == final


def test_what_is_usual_is_left_out() -> None:
    command, _, _ = repeat()
    assert command == "gptcli train --data data/input --max-iters 777 --eval-interval 259"


def test_a_preset_and_the_device_are_named_as_they_were_given() -> None:
    asked = TrainRequest(preset="lecture", device="cpu", precision="float32")
    command, _, _ = repeat("lecture", asked, n_head=4)
    assert "--preset lecture --device cpu --precision float32" in command
    assert "--n-head 4" in command and "--n-embd" not in command


def _parsed(words: list[str]) -> dict[str, object]:
    """The flags of a command line, as TrainRequest reads them."""
    values: dict[str, object] = {}
    while words:
        word = words.pop(0)
        name = word.removeprefix("--").replace("-", "_")
        if name == "untied" or name.startswith("no_"):
            values["tied" if name == "untied" else name.removeprefix("no_")] = False
        elif not words or words[0].startswith("--"):
            values[name] = True
        else:
            kind = TrainRequest.__dataclass_fields__[name].type
            text = words.pop(0)
            values[name] = int(text) if "int" in str(kind) else _number(text)
    return values


def _number(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return text
