"""A model directory with three layers of three heads, which knows hostile and wide characters."""

from pathlib import Path

import pytest

from gptcli.checkpoint.model_files import write_description
from gptcli.checkpoint.tensors import save_weights
from gptcli.config.model import ModelConfig
from gptcli.model.initialization import new_model
from gptcli.tokenization.trainer import character_tokenizer

HOSTILE = "[/x]\x1b]52;</script>\u202e\x00"
WIDE = "日本👩e\u0301"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The directory, below the one that the command runs in."""
    tokenizer = character_tokenizer("abcdefgh \n" + HOSTILE + WIDE)
    config = ModelConfig(3, 3, 24, block_size=16, vocab_size=tokenizer.vocab_size)
    directory = tmp_path / "model"
    directory.mkdir()
    write_description(directory, config, tokenizer)
    save_weights(directory / "model.safetensors", new_model(config, seed=3).state_dict(), config)
    return directory
