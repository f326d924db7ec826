"""``--fsdp``: every process keeps a part of each weight, of its gradient and of its moments.

This is PyTorch's FSDP2 (Zhao et al. 2023, arXiv:2304.11277), which cuts every parameter along its
first dimension. Before a block computes, all processes gather its weights, and drop them after;
its gradients are added up, and each process gets those of its part. Names and shapes stay those
of the whole model. What is evaluated, sampled and saved is whole.
"""

import warnings
from typing import Any

from torch import Tensor, nn

from gptcli.checkpoint.tensors import Weights
from gptcli.config.objective import LM, ObjectiveConfig
from gptcli.config.training import TrainConfig
from gptcli.errors import UsageError
from gptcli.evaluation.processes import check_alike
from gptcli.fast.layers import use_fast_layers
from gptcli.model.gpt import GPT
from gptcli.model.initialization import model_with
from gptcli.runtime.world import World


def check_can_shard(config: TrainConfig, world: World, objective: ObjectiveConfig = LM) -> None:
    """UsageError where the weights of a run cannot be cut."""
    if world.parts == 1:
        raise UsageError(
            "--fsdp cuts a model into parts for several processes, and there is one: start them "
            "with torchrun --nproc-per-node 2 -m gptcli train --fsdp"
        )
    if objective != LM:
        raise UsageError(f"--fsdp is for --objective lm, not {objective.name}: leave --fsdp out")
    if config.optimizer == "muon":
        raise UsageError(
            "--fsdp cuts every matrix, and Muon updates whole ones: leave --fsdp out, or begin a "
            "run with --optimizer adamw"
        )
    if config.deterministic:
        raise UsageError(
            "--fsdp adds gradients in an order that depends on the number of processes, which "
            "--deterministic rules out: leave --fsdp out"
        )
    if config.device == "mps":
        raise UsageError("--fsdp does not work on mps: leave it out, or give --device cpu")


def sharded(model: GPT, world: World) -> GPT:
    """Keep this process's part of a finished model, before optimizers are made for it.

    UsageError where the processes have different weights, which would become a mixture.
    """
    from torch.distributed.fsdp import FSDPModule, fully_shard

    check_alike(world, repr(weight_sums(model)))
    for module in (*model.blocks, model):
        fully_shard(module)
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.set_gradient_divide_factor(1.0)  # losses are parts of the step's loss already
            module.set_force_sum_reduction_for_comms(True)  # the one kind that gloo has
    warnings.filterwarnings("ignore", "FSDP2-wrapped module .* returned a view")  # left as it is
    return model


def weight_sums(model: GPT) -> list[float]:
    """The sum of every parameter, by which different weights are told apart."""
    return [float(whole_tensor(one.detach().double().sum())) for one in model.parameters()]


def whole_model(model: GPT) -> GPT:
    """A copy of a model with the parts of all processes; one that is not cut is returned itself.

    All processes must call this together. After it each computes with its copy alone.
    """
    if not any(map(_is_part, model.parameters())):
        return model
    weights = {name: whole_tensor(one.detach()) for name, one in model.named_parameters()}
    return use_fast_layers(model_with(model.config, weights))


def whole_weights(model: GPT, keeps: bool) -> Weights:
    """The parameters, whole, by name; put together one at a time, for the processes that keep them.

    All processes must call this together.
    """
    found = {}
    for name, one in model.named_parameters():
        tensor = whole_tensor(one.detach())
        if keeps:
            found[name] = tensor.cpu() if _is_part(one) else tensor
    return found


def whole_tensor(tensor: Tensor) -> Tensor:
    """The tensor with the parts of all processes, which must call this together."""
    if not _is_part(tensor):
        return tensor
    part: Any = tensor
    whole: Tensor = part.full_tensor()
    return whole


def part_like(tensor: Tensor, parameter: nn.Parameter) -> Tensor:
    """What a process keeps of a whole tensor whose numbers belong to those of a parameter."""
    if not _is_part(parameter):
        return tensor
    from torch.distributed.tensor import distribute_tensor

    cut: Any = parameter
    return distribute_tensor(tensor, cut.device_mesh, cut.placements, src_data_rank=None)


def _is_part(tensor: Tensor) -> bool:
    """Whether a process has a part of this tensor, a DTensor; its slow module stays unloaded."""
    return hasattr(tensor, "full_tensor")
