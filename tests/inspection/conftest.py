"""A tiny model directory: two layers of two heads over a handful of characters."""

from pathlib import Path

import pytest

from gptcli.checkpoint.model_files import write_description
from gptcli.checkpoint.tensors import save_weights
from gptcli.config.model import ModelConfig
from gptcli.generation.loaded_model import LoadedModel, load_model
from gptcli.model.initialization import new_model
from gptcli.tokenization.trainer import character_tokenizer

CONFIG = ModelConfig(n_layer=2, n_head=2, n_embd=16, block_size=12, vocab_size=9)


@pytest.fixture
def loaded(tmp_path: Path) -> LoadedModel:
    """The model with weights ten times those of a new one, so that no head is even."""
    tokenizer = character_tokenizer("abcdefg \n")
    model = new_model(CONFIG, seed=1)
    weights = {name: 10 * tensor for name, tensor in model.state_dict().items()}
    write_description(tmp_path, CONFIG, tokenizer)
    save_weights(tmp_path / "model.safetensors", weights, CONFIG)
    return load_model(tmp_path, "cpu")
