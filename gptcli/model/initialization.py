"""Weights to start from, drawn from an explicit generator."""

import math

import torch
from torch import Tensor, nn

from gptcli.config.model import INIT_STD, ModelConfig
from gptcli.model.gpt import GPT
from gptcli.model.positions import PositionEncoding


def new_model(config: ModelConfig, seed: int) -> GPT:
    """A GPT on the CPU with GPT-2's initialisation, a pure function of config and seed."""
    model = empty_model(config)
    initialize(model, torch.Generator().manual_seed(seed))
    return model


def empty_model(config: ModelConfig) -> GPT:
    """A GPT whose weights are allocated but not set."""
    shapes = shape_of_model(config).state_dict()
    # Not by nn.Module.to_empty, which has torch import a library for symbols.
    return model_with(config, {name: torch.empty(one.shape) for name, one in shapes.items()})


def shape_of_model(config: ModelConfig) -> GPT:
    """A GPT whose weights have names and shapes, and no memory."""
    with torch.device("meta"):
        return GPT(config)


def model_with(config: ModelConfig, weights: dict[str, Tensor]) -> GPT:
    """A GPT that takes over these tensors as its parameters, without copying them."""
    model = shape_of_model(config)
    if config.tied:
        weights = {**weights, "lm_head.weight": weights["token_embedding.weight"]}
    model.load_state_dict(weights, assign=True)
    if config.tied:
        model.lm_head.weight = model.token_embedding.weight
    return model


def scoring_weights(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a model with a score of 0 in place of the head; a score that is there stays.

    They share the memory of the others.
    """
    trunk = {name: one for name, one in weights.items() if not name.startswith("lm_head.")}
    embedding = weights["token_embedding.weight"]
    return {"score.weight": embedding.new_zeros(1, embedding.shape[1]), **trunk}


@torch.no_grad()
def initialize(model: GPT, generator: torch.Generator) -> None:
    """Normal weights of std 0.02, zero biases, unit norms (Radford et al. 2019, section 2.3).

    Matrices that write to the residual stream are scaled by 1/sqrt(2 n_layer), so that its
    variance does not grow with the number of layers. A model without norms never brings a
    signal back to scale, so its embeddings and matrices keep the variance near 1 (LeCun et
    al. 1998). The head does not: untrained logits are near 0 in every model. A score is 0.

    A model that normalises its embeddings (nanochat) starts with zeros in the head and in the
    matrices that write to the stream, so that every block begins as the identity; the others
    keep a third of the variance, and the embeddings have std 1.
    """
    for name, module in model.named_modules():
        if isinstance(module, nn.LayerNorm | nn.RMSNorm):
            module.reset_parameters()
        elif isinstance(module, nn.Linear):
            if module.weight is not model.token_embedding.weight:
                std = _linear_std(name, module.in_features, model.config)
                module.weight.normal_(0.0, std, generator=generator)
            if module.bias is not None:
                module.bias.zero_()
        elif isinstance(module, nn.Embedding | PositionEncoding):
            for parameter in module.parameters():
                parameter.normal_(0.0, _embedding_std(model.config), generator=generator)


def _linear_std(name: str, n_inputs: int, config: ModelConfig) -> float:
    if name == "score":
        return 0.0
    writes_to_stream = config.residual and name.endswith((".attention.output", ".mlp.down"))
    if config.embedding_norm:
        return 0.0 if writes_to_stream or name == "lm_head" else 1 / math.sqrt(3 * n_inputs)
    std = INIT_STD
    if config.norm == "none" and name != "lm_head":
        std = 1 / math.sqrt(n_inputs)
    return std / math.sqrt(2 * config.n_layer) if writes_to_stream else std


def _embedding_std(config: ModelConfig) -> float:
    if config.embedding_norm:
        return 1.0
    is_read_by_head = config.lm_head and not config.tied
    if config.norm != "none" or not is_read_by_head:
        return INIT_STD
    return math.sqrt(0.5) if config.positions == "learned" else 1.0
