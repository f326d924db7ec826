"""What is loaded while files are replaced is all of one publication."""

import os
import shutil
import threading
from pathlib import Path

import pytest
import torch

from gptcli.checkpoint import tensors
from gptcli.checkpoint.config_json import read_model_config
from gptcli.checkpoint.tensors import load_weights, save_weights
from gptcli.errors import CheckpointError, ResourceError
from gptcli.generation.loaded_model import load_model


@pytest.fixture
def uniform(make_model, tokenizer, save):
    """``uniform(directory, value, n_head=2)``: all parameters have the same value."""

    def make(directory: Path, value: float, **switches: object) -> Path:
        model = make_model(**switches)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.fill_(value)
        return save(model, tokenizer, directory)

    return make


@pytest.fixture
def while_reading(monkeypatch):
    """``while_reading(act)``: does it once, before the third tensor is read."""
    fill = tensors._fill

    def install(act) -> None:
        read: list[str] = []

        def fill_and_act(target, stored) -> None:
            read.append(stored.name)
            if len(read) == 3:
                act()
            fill(target, stored)

        monkeypatch.setattr(tensors, "_fill", fill_and_act)

    return install


def values(weights: dict[str, torch.Tensor]) -> set[float]:
    return {value for tensor in weights.values() for value in tensor.unique().tolist()}


def test_a_file_that_a_thread_replaces_is_read_whole(uniform, tmp_path: Path) -> None:
    directory = uniform(tmp_path / "m", 1.0)
    config = read_model_config(directory)
    loaded = load_weights(directory, config)
    both = [{name: torch.full_like(one, value) for name, one in loaded.items()}
            for value in (1.0, 2.0)]  # fmt: skip
    done = threading.Event()

    def replace() -> None:
        while not done.is_set():
            for weights in both:
                save_weights(directory / "model.safetensors", weights, config)

    writer = threading.Thread(target=replace)
    writer.start()
    try:
        found = [values(load_weights(directory, config)) for _ in range(50)]
    finally:
        done.set()
        writer.join()
    assert all(one in ({1.0}, {2.0}) for one in found)


def test_weights_replaced_between_two_tensors_are_not_mixed(
    uniform, while_reading, tmp_path: Path
) -> None:
    directory, other = uniform(tmp_path / "m", 1.0), uniform(tmp_path / "other", 2.0)
    while_reading(lambda: os.replace(other / "model.safetensors", directory / "model.safetensors"))
    assert values(dict(load_model(directory, "cpu").model.named_parameters())) == {1.0}
    assert not (other / "model.safetensors").exists()


def test_a_directory_replaced_while_it_is_read_is_read_again(
    uniform, while_reading, tmp_path: Path
) -> None:
    uniform(tmp_path / "one", 1.0, n_head=2)
    uniform(tmp_path / "two", 2.0, n_head=4)
    link = tmp_path / "m"
    link.symlink_to("one")

    def turn() -> None:
        (tmp_path / "next").symlink_to("two")
        os.replace(tmp_path / "next", link)

    while_reading(turn)
    loaded = load_model(link, "cpu").model
    assert loaded.config.n_head == 4
    assert values(dict(loaded.named_parameters())) == {2.0}


def test_what_never_rests_is_given_up_with_a_word(uniform, tmp_path: Path, monkeypatch) -> None:
    directory = uniform(tmp_path / "m", 1.0)
    fill = tensors._fill

    def fill_and_touch(target, stored) -> None:
        shutil.copy(directory / "config.json", directory / "again")
        os.replace(directory / "again", directory / "config.json")
        fill(target, stored)

    monkeypatch.setattr(tensors, "_fill", fill_and_touch)
    with pytest.raises(ResourceError, match="nothing is writing"):
        load_model(directory, "cpu")


def test_a_file_written_to_while_it_is_read_is_refused(
    uniform, while_reading, tmp_path: Path
) -> None:
    directory = uniform(tmp_path / "m", 1.0)
    file = directory / "model.safetensors"
    while_reading(lambda: file.write_bytes(file.read_bytes()))
    with pytest.raises(CheckpointError, match="changed while it was read"):
        load_model(directory, "cpu")


def test_the_step_is_that_of_the_weights_that_are_read(
    uniform, tmp_path: Path, monkeypatch
) -> None:
    directory, other = uniform(tmp_path / "m", 1.0), uniform(tmp_path / "other", 2.0)
    found = iter(["step of 1.0", "step of 2.0"])

    def step_then_publish(_: Path) -> str:
        step = next(found)
        if step == "step of 1.0":
            os.replace(other / "model.safetensors", directory / "model.safetensors")
        return step

    monkeypatch.setattr("gptcli.generation.loaded_model.weights_step", step_then_publish)
    loaded = load_model(directory, "cpu")
    assert values(dict(loaded.model.named_parameters())) == {2.0}
    assert loaded.step == "step of 2.0"
