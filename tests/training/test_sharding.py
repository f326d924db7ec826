"""A model in parts learns what a whole one learns, and is saved and evaluated whole."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from gptcli.config.data import PrepareConfig
from gptcli.config.objective import RewardModeling
from gptcli.data.preparation.prepare import Preparation, prepare
from gptcli.errors import UsageError
from gptcli.runtime.world import World
from gptcli.training.sharding import check_can_shard
from tests.training.three_processes import FAMILIES, SIZES, STEPS, everything

REPOSITORY = Path(__file__).resolve().parents[2]
SIZE = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the text of the dataset, prepared again in ``words``."""
    folder = tmp_path_factory.mktemp("processes")
    text = folder / "words.txt"
    text.write_text("".join(f"the {n} cats ate {n * n} rats, " for n in range(200)))
    prepare(Preparation([str(text)], config=PrepareConfig()), folder / "words")
    return folder


@pytest.fixture(scope="module")
def found(folder: Path) -> list[dict[str, Any]]:
    """What three processes found, by rank; tests/training/three_processes.py is what they do."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    world = {"WORLD_SIZE": str(SIZE), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    worker = "tests.training.three_processes"
    command = [sys.executable, "-m", worker, str(folder / "words"), str(folder)]
    started = []
    for rank in range(SIZE):
        own, pipe = {**os.environ, **world, "RANK": str(rank)}, subprocess.PIPE
        started.append(
            subprocess.Popen(
                command, cwd=REPOSITORY, env=own, stdout=pipe, stderr=subprocess.STDOUT, text=True
            )
        )
    try:
        said = [one.communicate(timeout=240)[0] for one in started]
    finally:
        for one in started:
            one.kill()
    assert [one.returncode for one in started] == [0] * SIZE, "\n".join(said)
    assert said == [""] * SIZE, "the processes warn of something"
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(SIZE)]


@pytest.mark.parametrize("parts", [1, SIZE])
@pytest.mark.parametrize("family", FAMILIES)
def test_three_processes_learn_what_one_learns(
    found, folder: Path, begin, family: str, parts: int
) -> None:
    alone = begin("alone", **{**SIZES, "family": family})
    stepper = alone.stepper()
    for step in range(STEPS):
        stepper.advance(step)
    expected = [(one.loss, one.gradient_norm) for one in stepper.figures()]
    for one in found:
        figures = one["learnt"][f"{family}-{parts}"]["figures"]
        torch.testing.assert_close(torch.tensor(figures), torch.tensor(expected), rtol=1e-5, atol=0)
    saved, tensors = load_file(folder / f"{family}-{parts}.safetensors"), everything(alone)
    assert saved.keys() == tensors.keys()
    for name, tensor in tensors.items():
        torch.testing.assert_close(saved[name], tensor, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_each_process_has_its_part_of_weights_and_moments(found, family: str) -> None:
    whole = found[0]["learnt"][f"{family}-1"]["own"]
    parts = [one["learnt"][f"{family}-{SIZE}"]["own"] for one in found]
    assert sum(parts) == whole
    assert max(parts) < 1.2 * whole / SIZE


@pytest.mark.parametrize("when", ["checked at once", "deferred"])
def test_what_is_no_number_in_one_process_changes_nothing_in_any(found, when: str) -> None:
    assert [one[when] for one in found] == [True] * SIZE


def test_saved_moments_are_put_back_into_their_parts(found) -> None:
    assert [one["restored"] for one in found] == [True] * SIZE


def test_each_process_uses_a_whole_model_by_itself(found) -> None:
    assert [one["whole"] for one in found] == [True] * SIZE


def test_weights_that_differ_are_not_mixed(found) -> None:
    assert all("do not begin alike" in one["refusal"] for one in found)


@pytest.mark.parametrize(
    ("given", "world", "objective", "remedy"),
    [
        ({}, World(), {}, "torchrun --nproc-per-node 2 -m gptcli train --fsdp"),
        ({"optimizer": "muon"}, World(0, 2, 2), {}, "--optimizer adamw"),
        ({"deterministic": True}, World(0, 2, 2), {}, "leave --fsdp out"),
        ({"device": "mps"}, World(0, 2, 2), {}, "--device cpu"),
        ({}, World(0, 2, 2), {"objective": RewardModeling()}, "not reward: leave --fsdp out"),
    ],
)
def test_what_cannot_be_cut_is_refused(begin, given, world, objective, remedy: str) -> None:
    config = begin("a").config
    check_can_shard(config, World(0, 2, 2))
    with pytest.raises(UsageError, match=remedy):
        check_can_shard(replace(config, **given), world, **objective)
