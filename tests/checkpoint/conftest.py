"""A small model and its tokenizer."""

import pytest
import torch

from gptcli.config.model import ModelConfig
from gptcli.data.tokenization.characters import character_tokenizer
from gptcli.data.tokenization.tokenizer import Tokenizer
from gptcli.model.gpt import GPT
from gptcli.model.initialization import new_model

CHARACTERS = "\n !abcdefghijklmnopqrstuvwxyz"


@pytest.fixture
def tokenizer() -> Tokenizer:
    return character_tokenizer(CHARACTERS)


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
