"""Models by name, from a small hub on the loopback."""

import time
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from gptcli.checkpoint.find import fetch_description, fetch_model, named_model
from gptcli.errors import ResourceError, UsageError
from gptcli.fast.layers import use_fast_layers
from gptcli.generation.loaded_model import load_model

IDS = torch.arange(24).view(2, 12)


@pytest.fixture
def published(hub, make_member, tokenizer, save, tmp_path: Path):
    """A model of the hub in one file, and the same one in shards as transformers writes them."""
    model = make_member("llama")
    directory = save(model, tokenizer, tmp_path / "one")
    theirs = AutoModelForCausalLM.from_pretrained(directory)
    theirs.save_pretrained(tmp_path / "many", max_shard_size="2KB")
    (tmp_path / "many/tokenizer.json").write_bytes((directory / "tokenizer.json").read_bytes())
    for name in ("one", "many"):
        files = {file.name: file.read_bytes() for file in (tmp_path / name).iterdir()}
        hub.repositories[f"owner/{name}"] = files
    return use_fast_layers(model)


@pytest.mark.parametrize("name", ["one", "many"])
def test_a_model_comes_from_the_hub_and_stays_in_its_cache(hub, published, name) -> None:
    directory = fetch_model(f"owner/{name}")
    with torch.no_grad():
        assert torch.equal(load_model(directory, "cpu").model(IDS), published(IDS))
    n_gets = [command for command, _ in hub.requests].count("GET")
    assert n_gets == len(list(directory.iterdir()))
    hub.answer = 503
    assert fetch_model(f"owner/{name}") == directory
    assert [command for command, _ in hub.requests].count("GET") == n_gets


def test_to_describe_a_model_its_weights_are_not_fetched(hub, published) -> None:
    assert [file.name for file in fetch_description("owner/one").iterdir()] == ["config.json"]


def test_pickles_are_not_fetched(hub) -> None:
    hub.repositories["old"] = {"config.json": b"{}", "pytorch_model.bin": b"pickle"}
    with pytest.raises(UsageError, match="no model in safetensors, pickles being never opened"):
        fetch_model("old")
    assert all("pytorch_model" not in path for _, path in hub.requests)


def test_without_a_network_the_message_says_what_to_do(hub, monkeypatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ResourceError, match=r"no copy of it from .*:9.*the path of a model dir"):
        fetch_model("owner/one")


def test_paths_are_not_taken_for_names(hub, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    for path in ("runs/inptu", "models/gpt2", "../gpt2", "models"):
        with pytest.raises(UsageError, match=r"does not exist|not a model directory"):
            named_model(Path(path), fetch_model)
    assert hub.requests == []
    with pytest.raises(UsageError, match=r"no model .* 'none'"):
        named_model(Path("none"), fetch_model)
    assert hub.requests


def test_weights_that_trickle_are_given_up_by_their_size(hub, published, monkeypatch) -> None:
    monkeypatch.setattr("gptcli.runtime.hub._LONGEST_DOWNLOAD", 0.3)
    monkeypatch.setattr("gptcli.runtime.hub._SLOWEST", 100_000)
    n_bytes = len(hub.repositories["owner/one"]["model.safetensors"])
    assert n_bytes < 50_000
    hub.pause = 0.01
    hub.repositories["owner/one"]["config.json"] = b"{}"
    began = time.monotonic()
    with pytest.raises(
        ResourceError, match=r"cannot be downloaded.*did not answer within 0\.\d+ s"
    ):
        fetch_model("owner/one")
    assert 0.3 < time.monotonic() - began < n_bytes * hub.pause / 2
