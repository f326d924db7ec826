"""The optimizer: how it is made, and its state as named tensors.

config/optimizer_specs.py lists which state it keeps and what that costs.
"""

from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from gptcli.config.optimizer_specs import OPTIMIZERS
from gptcli.config.training import TrainConfig
from gptcli.errors import CheckpointError
from gptcli.model.gpt import GPT

_STEP = "step"  # how many steps a parameter has seen: a scalar


def make_optimizer(model: GPT, config: TrainConfig) -> Optimizer:
    """Make AdamW (Loshchilov and Hutter 2019) with weight decay for matrices alone."""
    parameters = list(model.parameters())
    groups: list[dict[str, Any]] = [
        {"params": [p for p in parameters if p.dim() >= 2]},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        groups,
        lr=config.lr,
        betas=(config.beta1, config.beta2),
        weight_decay=config.weight_decay,
        fused=True,
    )


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """Use ``rate`` from the next step on."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def optimizer_tensors(optimizer: Optimizer, model: GPT) -> dict[str, Tensor]:
    """The optimizer's state, each tensor named after its parameter; empty before step 1."""
    return {
        f"{name}.{slot}": optimizer.state[parameter][slot].detach().cpu().contiguous()
        for name, parameter in model.named_parameters()
        if parameter in optimizer.state
        for slot in _slots(optimizer)
    }


def restore_optimizer(optimizer: Optimizer, model: GPT, tensors: dict[str, Tensor]) -> None:
    """Put saved state back; CheckpointError when it is not this model's."""
    if not tensors:
        return
    slots = _slots(optimizer)
    known = {f"{name}.{slot}" for name, _ in model.named_parameters() for slot in slots}
    if unknown := sorted(tensors.keys() - known):
        raise CheckpointError(f"the optimizer state has {unknown[0]}, which is not of this model")
    for name, parameter in model.named_parameters():
        state = {}
        for slot in slots:
            tensor = tensors.get(f"{name}.{slot}")
            shape = torch.Size(()) if slot == _STEP else parameter.shape
            if tensor is None or not _is_whole(tensor, shape):
                raise CheckpointError(f"the optimizer state of {name} is missing or damaged")
            state[slot] = tensor.to(parameter.device)
        optimizer.state[parameter] = state


def _slots(optimizer: Optimizer) -> tuple[str, ...]:
    """Names of the tensors that it keeps for every parameter."""
    return (_STEP, *OPTIMIZERS[type(optimizer).__name__].state)


def _is_whole(tensor: Tensor, shape: torch.Size) -> bool:
    """Whether a saved tensor has this shape, float32 and finite numbers."""
    is_ours = tensor.dtype == torch.float32 and tensor.shape == shape
    return is_ours and bool(tensor.isfinite().all())
