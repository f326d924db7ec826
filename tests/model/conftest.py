"""Transformers' model with the same weights."""

from collections.abc import Callable

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from gptcli.checkpoint.config_json import model_config_json
from gptcli.checkpoint.layout import file_layout
from gptcli.model.gpt import GPT


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
