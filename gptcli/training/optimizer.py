"""AdamW, and its state as named tensors."""

from typing import Any

import torch
from torch import Tensor

from gptcli.config.training import TrainConfig
from gptcli.errors import CheckpointError
from gptcli.model.gpt import GPT

_SLOTS = ("step", "exp_avg", "exp_avg_sq")


def make_optimizer(model: GPT, config: TrainConfig) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter 2019) that decays matrices, not biases and norms."""
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


def set_learning_rate(optimizer: torch.optim.AdamW, rate: float) -> None:
    """Use ``rate`` from the next step on."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def optimizer_tensors(optimizer: torch.optim.AdamW, model: GPT) -> dict[str, Tensor]:
    """The optimizer's state, each tensor named after its parameter; empty before step 1."""
    return {
        f"{name}.{slot}": optimizer.state[parameter][slot].detach().cpu().contiguous()
        for name, parameter in model.named_parameters()
        if parameter in optimizer.state
        for slot in _SLOTS
    }


def restore_optimizer(optimizer: torch.optim.AdamW, model: GPT, tensors: dict[str, Tensor]) -> None:
    """Put saved state back; CheckpointError when it is not this model's."""
    if not tensors:
        return
    known = {f"{name}.{slot}" for name, _ in model.named_parameters() for slot in _SLOTS}
    if unknown := sorted(tensors.keys() - known):
        raise CheckpointError(f"the optimizer state has {unknown[0]}, which is not of this model")
    for name, parameter in model.named_parameters():
        saved = {slot: tensors.get(f"{name}.{slot}") for slot in _SLOTS}
        shapes = {"step": torch.Size(()), "exp_avg": parameter.shape, "exp_avg_sq": parameter.shape}
        state = {
            slot: tensor.to(parameter.device)
            for slot, tensor in saved.items()
            if tensor is not None and tensor.dtype == torch.float32 and tensor.shape == shapes[slot]
        }
        if len(state) < len(_SLOTS) or not all(bool(t.isfinite().all()) for t in state.values()):
            raise CheckpointError(f"the optimizer state of {name} is missing or damaged")
        optimizer.state[parameter] = state
