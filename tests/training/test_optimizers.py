"""The optimizers of a run: who updates what at which rate, and that their state survives."""

from dataclasses import replace

import pytest
import torch

from gptcli.config.model import ModelConfig
from gptcli.config.training import TrainConfig
from gptcli.errors import CheckpointError
from gptcli.families.registry import FAMILIES
from gptcli.families.shapes import parameter_groups
from gptcli.model.gpt import GPT
from gptcli.model.initialization import new_model
from gptcli.training.muon import Muon
from gptcli.training.optimizers import (
    Optimizers,
    make_optimizers,
    optimizer_tensors,
    restore_optimizers,
    set_rates,
)

SETTINGS = TrainConfig(
    batch_size=1,
    max_iters=10,
    lr=1e-3,
    min_lr=1e-4,
    warmup_iters=0,
    eval_interval=10,
    device="cpu",
    precision="float32",
)
MUON = replace(SETTINGS, optimizer="muon", embedding_lr=4e-3, head_lr=2e-3, vector_lr=5e-3)
SIZES = {"n_layer": 2, "n_head": 2, "n_embd": 8, "block_size": 4, "vocab_size": 5}
CONFIG = ModelConfig(**SIZES)


def of_family(name: str) -> ModelConfig:
    return ModelConfig(**SIZES, **FAMILIES[name].switches)


def step(model: GPT, optimizers: Optimizers) -> None:
    model(torch.arange(4)[None]).square().sum().backward()
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad()


def rates_and_decays(config: ModelConfig, training: TrainConfig) -> dict[str, tuple[float, float]]:
    """Full rate and weight decay of every parameter by name."""
    model = new_model(config, 1)
    names = {parameter: name for name, parameter in model.named_parameters()}
    return {
        names[parameter]: (group["initial_lr"], group["weight_decay"])
        for optimizer in make_optimizers(model, training)
        for group in optimizer.param_groups
        for parameter in group["params"]
    }


def test_alone_adamw_has_one_rate_and_decays_matrices_alone() -> None:
    found = rates_and_decays(CONFIG, SETTINGS)
    model = new_model(CONFIG, 1)
    for name, parameter in model.named_parameters():
        assert found[name] == (1e-3, 0.1 if parameter.dim() == 2 else 0.0)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_parameter_is_updated_once_and_muon_has_the_matrices_of_blocks(family: str) -> None:
    model = new_model(of_family(family), 1)
    optimizers = make_optimizers(model, MUON)
    owned = [
        (parameter, type(optimizer))
        for optimizer in optimizers
        for group in optimizer.param_groups
        for parameter in group["params"]
    ]
    assert len({id(parameter) for parameter, _ in owned}) == len(owned)
    owner = dict(owned)
    for name, parameter in model.named_parameters():
        is_matrix = name.startswith("blocks.") and parameter.dim() == 2
        assert (owner[parameter] is Muon) == is_matrix


@pytest.mark.parametrize("family", FAMILIES)
def test_groups_are_those_of_the_shapes(family: str) -> None:
    config = of_family(family)
    model = new_model(config, 1)
    expected = sum(p.numel() for n, p in model.named_parameters() if n.startswith("blocks.")
                   and p.dim() == 2)  # fmt: skip
    groups = parameter_groups(config)
    assert groups["matrix"] == expected
    assert sum(groups.values()) == sum(p.numel() for p in model.parameters())


def test_each_group_has_its_rate() -> None:
    untied = replace(CONFIG, tied=False)
    found = {name: rate for name, (rate, _) in rates_and_decays(untied, MUON).items()}
    assert found["token_embedding.weight"] == found["position_embedding.weight"] == 4e-3
    assert found["lm_head.weight"] == 2e-3
    assert found["final_norm.weight"] == found["blocks.0.mlp.up.bias"] == 5e-3
    assert found["blocks.1.mlp.up.weight"] == 1e-3


def test_all_rates_follow_the_schedule_in_proportion() -> None:
    optimizers = make_optimizers(new_model(CONFIG, 1), MUON)
    set_rates(optimizers, 10, MUON)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            assert group["lr"] == pytest.approx(group["initial_lr"] * MUON.min_lr / MUON.lr)


@pytest.mark.parametrize("settings", [SETTINGS, MUON], ids=["adamw", "muon"])
def test_restored_state_continues_to_the_same_weights(settings: TrainConfig) -> None:
    straight, other = new_model(CONFIG, 1), new_model(CONFIG, 1)
    first = make_optimizers(straight, settings)
    step(straight, first)
    other.load_state_dict(straight.state_dict())
    second = make_optimizers(other, settings)
    saved = {name: tensor.clone() for name, tensor in optimizer_tensors(first, straight).items()}
    restore_optimizers(second, other, saved)
    step(straight, first)
    step(other, second)
    for one, two in zip(straight.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)


def test_the_state_of_another_optimizer_is_refused() -> None:
    model = new_model(CONFIG, 1)
    adamw, muon = make_optimizers(model, SETTINGS), make_optimizers(model, MUON)
    step(model, adamw)
    saved = optimizer_tensors(adamw, model)
    with pytest.raises(CheckpointError, match="not of this model"):
        restore_optimizers(muon, model, saved)
