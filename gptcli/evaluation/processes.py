"""Processes of torchrun that work together: joining them, and what they tell each other.

They fail together, too: where one has ended or does not answer, the others stop.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterator, Sequence
from datetime import timedelta

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.distributed import ReduceOp
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from gptcli.errors import ProcessLostError, UsageError, reason_of
from gptcli.runtime.world import ALONE, World, launched, restarts

_LONGEST_WAIT = timedelta(seconds=60)  # until all processes have come
_PATIENCE = timedelta(minutes=10)  # for a process that saves, or counts a large text


@contextlib.contextmanager
def joined(device: str = "cpu") -> Iterator[World]:
    """Connect the processes that torchrun started together; without torchrun it is ALONE.

    On CUDA each process of a machine computes on a GPU of its own.
    """
    world = launched()
    if world.size == 1:
        yield ALONE
        return
    backend = "gloo"  # for what is few and small; it works on any machine
    if device == "cuda":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        backend = "cpu:gloo,cuda:nccl"
    with _failing_together("did not come"):
        _connect(backend, world)
    try:
        yield world
    finally:
        torch.distributed.destroy_process_group()


def _connect(backend: str, world: World) -> None:
    """Meet the others in a store; what a restart finds there is not what those before it left."""
    store, rank, size = next(rendezvous("env://", world.rank, world.size, timeout=_LONGEST_WAIT))
    own = PrefixStore(f"gptcli-{restarts()}", store)
    torch.distributed.init_process_group(
        backend, store=own, rank=rank, world_size=size, timeout=_PATIENCE
    )


def all_sum(world: World, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add up arrays of one shape over all processes.

    The sum is exact where all processes but one have zero.
    """
    if world.size == 1:
        return values
    summed = torch.from_numpy(values.copy())
    with _failing_together():
        torch.distributed.all_reduce(summed)
    return summed.numpy()


def all_add(world: World, tensors: Sequence[Tensor]) -> None:
    """Put in the place of each tensor its sum over all processes, in one exchange."""
    if world.size == 1:
        return
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    with _failing_together():
        torch.distributed.all_reduce(flat)
    parts = torch.split(flat, [tensor.numel() for tensor in tensors])
    for tensor, part in zip(tensors, parts, strict=True):
        tensor.copy_(part.view_as(tensor))


def gathered(world: World, own: Tensor) -> list[Tensor]:
    """The tensors (of one shape) of all processes, by rank."""
    if world.size == 1:
        return [own]
    found = [torch.empty_like(own) for _ in range(world.size)]
    with _failing_together():
        torch.distributed.all_gather(found, own)
    return found


def check_alike(world: World, beginning: str) -> None:
    """UsageError where a text that tells with what a process begins is not the same in all."""
    number = torch.tensor(int(hashlib.sha256(beginning.encode()).hexdigest()[:15], 16))
    if len({int(one) for one in gathered(world, number)}) > 1:
        raise UsageError(
            "the processes that torchrun started do not begin alike: give all of them the same "
            "files, flags and versions of gptcli and torch"
        )


def any_of_them(world: World, flag: bool) -> bool:
    """Whether the flag is set in any process: all get the same answer."""
    if world.size == 1:
        return flag
    found = torch.tensor(int(flag))
    with _failing_together():
        torch.distributed.all_reduce(found, ReduceOp.MAX)
    return bool(found)


def from_first(world: World, *numbers: int) -> tuple[int, ...]:
    """The whole numbers that the first process has."""
    if world.size == 1:
        return numbers
    sent = torch.tensor(numbers)
    with _failing_together():
        torch.distributed.broadcast(sent, 0)
    return tuple(sent.tolist())


@contextlib.contextmanager
def failing_together() -> Iterator[None]:
    """Tell what happened to another process where torch exchanges tensors by itself."""
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, torch.distributed.DistError) and "gloo" not in str(error):
            raise
        with _failing_together():
            raise


@contextlib.contextmanager
def _failing_together(what: str = "has ended, or takes too long") -> Iterator[None]:
    """Turn the errors of torch.distributed into one that says what happened to the others."""
    try:
        yield
    except (RuntimeError, ValueError) as error:  # of gloo, NCCL or the store
        raise ProcessLostError(
            f"another of the {launched().size} processes {what} ({reason_of(error)}); what was "
            f"saved is good. Is {os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')} "
            "free and right, and is every rank started? Then try again"
        ) from error
