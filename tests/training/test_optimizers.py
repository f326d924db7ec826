"""AdamW: what decays, and that its state survives a round trip."""

import torch

from gptcli.config.model import ModelConfig
from gptcli.config.training import TrainConfig
from gptcli.model.gpt import GPT
from gptcli.model.initialization import new_model
from gptcli.training.optimizers import make_optimizer, optimizer_tensors, restore_optimizer

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
CONFIG = ModelConfig(n_layer=1, n_head=1, n_embd=8, block_size=4, vocab_size=5)


def step(model: GPT, optimizer: torch.optim.AdamW) -> None:
    model(torch.arange(4)[None]).square().sum().backward()
    optimizer.step()
    optimizer.zero_grad()


def test_matrices_decay_and_nothing_else_does() -> None:
    model = new_model(CONFIG, 1)
    optimizer = make_optimizer(model, SETTINGS)
    decayed, kept = optimizer.param_groups
    assert {parameter.dim() for parameter in decayed["params"]} == {2}
    assert {parameter.dim() for parameter in kept["params"]} == {1}
    assert kept["weight_decay"] == 0
    assert len(decayed["params"]) + len(kept["params"]) == len(list(model.parameters()))


def test_restored_state_continues_to_the_same_weights() -> None:
    straight, other = new_model(CONFIG, 1), new_model(CONFIG, 1)
    first = make_optimizer(straight, SETTINGS)
    step(straight, first)
    other.load_state_dict(straight.state_dict())
    second = make_optimizer(other, SETTINGS)
    saved = {name: tensor.clone() for name, tensor in optimizer_tensors(first, straight).items()}
    restore_optimizer(second, other, saved)
    step(straight, first)
    step(other, second)
    for one, two in zip(straight.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)
