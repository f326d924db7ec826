"""A small model and its tokenizer."""

from pathlib import Path

import pytest
import safetensors.torch
import torch

from gptcli.checkpoint.model_files import write_description
from gptcli.checkpoint.tensors import save_weights
from gptcli.config.model import ModelConfig
from gptcli.config.rope import RopeScaling
from gptcli.families.registry import FAMILIES
from gptcli.model.gpt import GPT
from gptcli.model.initialization import new_model
from gptcli.tokenization.tokenizer import Tokenizer
from gptcli.tokenization.trainer import character_tokenizer

FAMILY_CHOICES = {
    "gpt2": {"n_inner": 20},
    "llama": {
        "n_kv_head": 1,
        "rope_theta": 500.0,
        "rope_scaling": RopeScaling(8.0, 1.0, 4.0, 8),
        "dropout": 0.1,
    },
    "qwen3": {"n_kv_head": 1, "head_dim": 6, "tied": True},
    "nanochat": {"n_kv_head": 1, "n_inner": 24},
    "gptcli-lecture": {"dropout": 0.2},
}
CHARACTERS = "\n !abcdefghijklmnopqrstuvwxyz"


@pytest.fixture
def tokenizer() -> Tokenizer:
    return character_tokenizer(CHARACTERS)


@pytest.fixture(params=FAMILY_CHOICES)
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def make_member(make_model):
    """A model of a family, with choices that differ from every default."""

    def make(family: str, **more: object) -> GPT:
        row = FAMILIES[family].switches
        return make_model(**{**row, **FAMILY_CHOICES[family], **more})

    return make


@pytest.fixture
def save():
    """``save(model, tokenizer, directory)``: a whole model directory."""

    def save_all(model: GPT, tokenizer: Tokenizer, directory: Path) -> Path:
        directory.mkdir(exist_ok=True)
        write_description(directory, model.config, tokenizer)
        weights = dict(model.named_parameters())
        save_weights(directory / "model.safetensors", weights, model.config)
        return directory

    return save_all


@pytest.fixture
def rewrite():
    """``rewrite(directory, change)``: its tensors, changed in place by name."""

    def rewrite_all(directory: Path, change) -> None:
        file = directory / "model.safetensors"
        tensors = {name: t.clone() for name, t in safetensors.torch.load_file(file).items()}
        change(tensors)
        safetensors.torch.save_file(tensors, file)

    return rewrite_all


@pytest.fixture
def make_model():
    def make(**switches: object) -> GPT:
        sizes = {"n_layer": 2, "n_head": 2, "n_embd": 8, "block_size": 12}
        config = ModelConfig(**{**sizes, **switches}, vocab_size=len(CHARACTERS))
        model = new_model(config, 1).eval()
        generator = torch.Generator().manual_seed(2)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
        return model

    return make
