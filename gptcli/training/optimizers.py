"""The optimizers of a run: how they are made, their rates, their state as named tensors.

AdamW (Loshchilov and Hutter 2019) updates everything, or all but the matrices of blocks, which
Muon updates. config/optimizer_specs.py lists which state each keeps and what that costs.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gptcli.config.optimizer_specs import OPTIMIZERS
from gptcli.config.training import TrainConfig
from gptcli.errors import CheckpointError
from gptcli.families.shapes import group_of
from gptcli.model.attention import Attention
from gptcli.model.gpt import GPT
from gptcli.training.muon import Muon
from gptcli.training.schedule import learning_rate
from gptcli.training.sharding import part_like, whole_tensor

_STEP = "step"  # how many steps a parameter has seen: a scalar

Optimizers = tuple[Optimizer, ...]


def make_optimizers(model: GPT, config: TrainConfig) -> Optimizers:
    """AdamW for every group of parameters, or Muon for the matrices of blocks and AdamW beside it.

    Each group keeps its full rate as ``initial_lr``. Vectors never decay; beside Muon nothing
    else does, since AdamW's rates there are for what is far from 1.
    """
    groups = _parameters_by_group(model)
    matrices = groups.pop("matrix", []) if config.optimizer == "muon" else []
    made: list[Optimizer] = []
    if matrices:
        made.append(_make_muon(model, matrices, config))
    decays = () if config.optimizer == "muon" else ("matrix", "embedding", "head")
    described: list[dict[str, Any]] = [
        {
            "params": parameters,
            "lr": config.rate_of(name),
            "weight_decay": config.weight_decay if name in decays else 0.0,
        }
        for name, parameters in groups.items()
    ]
    if described:
        betas = (config.beta1, config.beta2)
        made.append(torch.optim.AdamW(described, betas=betas, fused=True))
    for optimizer in made:
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]
    return tuple(made)


def _parameters_by_group(model: GPT) -> dict[str, list[nn.Parameter]]:
    groups: dict[str, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        groups.setdefault(group_of(name, parameter.dim()), []).append(parameter)
    return groups


def _make_muon(model: GPT, matrices: list[nn.Parameter], config: TrainConfig) -> Muon:
    """Muon, told where query, key and value are three matrices in one parameter."""
    stacked = {
        module.query_key_value.weight: module.widths
        for module in model.modules()
        if isinstance(module, Attention)
    }
    parts = [stacked.get(matrix, [matrix.shape[0]]) for matrix in matrices]
    return Muon(
        [{"params": matrices, "parts": parts}],
        lr=config.lr,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
    )


def set_rates(optimizers: Optimizers, step: int, config: TrainConfig) -> None:
    """Give every group of parameters the learning rate of a step."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, config, group["initial_lr"])


def skip_updates_if(bad: Tensor, optimizers: Optimizers) -> None:
    """Have the next updates change nothing if ``bad``, a scalar on the device, is true.

    Python does not wait for its value. AdamW's fused kernels know this on CUDA and on a CPU.
    """
    for optimizer in optimizers:
        optimizer.found_inf = bad.float()  # type: ignore[attr-defined]


def optimizer_tensors(optimizers: Optimizers, model: GPT, keeps: bool = True) -> dict[str, Tensor]:
    """The optimizers' state, each tensor named after its parameter; empty before step 1.

    The tensors are whole. Of several processes those that do not keep them get none, but must
    call this, too, where each has a part.
    """
    updates = list(_updates(optimizers, model))
    has_state = [parameter in optimizer.state for _, parameter, optimizer in updates]
    assert all(has_state) or not any(has_state), "a parameter was left out of a step"
    found = {}
    for name, parameter, optimizer in updates if all(has_state) else ():
        for slot in _slots(optimizer):
            tensor = whole_tensor(optimizer.state[parameter][slot].detach())
            if keeps:
                found[f"{name}.{slot}"] = tensor.cpu().contiguous()
    return found


def restore_optimizers(optimizers: Optimizers, model: GPT, tensors: dict[str, Tensor]) -> None:
    """Put saved state back; CheckpointError when it is not this model's."""
    if not tensors:
        return
    updates = list(_updates(optimizers, model))
    known = {f"{name}.{slot}" for name, _, optimizer in updates for slot in _slots(optimizer)}
    if unknown := sorted(tensors.keys() - known):
        raise CheckpointError(f"the optimizer state has {unknown[0]}, which is not of this model")
    for name, parameter, optimizer in updates:
        state = {}
        for slot in _slots(optimizer):
            tensor = tensors.get(f"{name}.{slot}")
            shape = torch.Size(()) if slot == _STEP else parameter.shape
            if tensor is None or not _is_whole(tensor, shape):
                raise CheckpointError(f"the optimizer state of {name} is missing or damaged")
            whole = tensor.to(parameter.device)
            state[slot] = whole if slot == _STEP else part_like(whole, parameter)
        optimizer.state[parameter] = state


def _updates(optimizers: Optimizers, model: GPT) -> Iterator[tuple[str, nn.Parameter, Optimizer]]:
    """Every parameter with its name and the optimizer that updates it."""
    owner = {
        parameter: optimizer
        for optimizer in optimizers
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    for name, parameter in model.named_parameters():
        yield name, parameter, owner[parameter]


def _slots(optimizer: Optimizer) -> tuple[str, ...]:
    """Names of the tensors that it keeps for every parameter."""
    spec = OPTIMIZERS[type(optimizer).__name__]
    return (_STEP, *spec.state) if spec.counts_steps else spec.state


def _is_whole(tensor: Tensor, shape: torch.Size) -> bool:
    """Whether a saved tensor has this shape, float32 and finite numbers."""
    is_ours = tensor.dtype == torch.float32 and tensor.shape == shape
    return is_ours and bool(tensor.isfinite().all())
