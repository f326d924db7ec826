"""Random models, and transformers' model with the same weights."""

from collections.abc import Callable

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from gptcli.checkpoint.config_json import model_config_json
from gptcli.checkpoint.layout import file_layout
from gptcli.config.model import ModelConfig
from gptcli.model.gpt import GPT
from gptcli.model.initialization import new_model


@pytest.fixture(scope="session")
def randomized() -> Callable[[ModelConfig, int], GPT]:
    """A model whose biases and norms are random too, so that none of them can be forgotten."""

    def make(config: ModelConfig, seed: int) -> GPT:
        model = new_model(config, seed)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
        return model.eval()

    return make


@pytest.fixture(scope="session")
def random_ids() -> Callable[[ModelConfig, int], torch.Tensor]:
    """Two rows as long as the context."""

    def make(config: ModelConfig, seed: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        return torch.randint(0, config.vocab_size, (2, config.block_size), generator=generator)

    return make


@pytest.fixture(scope="session")
def oracle_of() -> Callable[[GPT], PreTrainedModel]:
    """Transformers' model of the same configuration and weights."""

    def make(model: GPT) -> PreTrainedModel:
        raw = model_config_json(model.config)
        config = AutoConfig.for_model(**raw)
        oracle = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
        ours, state = dict(model.named_parameters()), {}
        for entry in file_layout(model.config):
            if entry.absent:
                tensor = torch.zeros(entry.shape)
            else:
                rows = slice(entry.first_row, entry.first_row + entry.shape[0])
                tensor = ours[entry.parameter].detach()[rows]
            state[entry.name] = tensor.t() if entry.transposed else tensor
        if model.config.tied:
            state["lm_head.weight"] = ours["token_embedding.weight"].detach()
        oracle.load_state_dict(state)
        return oracle

    return make
