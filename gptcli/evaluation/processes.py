"""Processes that share an evaluation and add up what each of them found."""

import contextlib
import os
from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import torch
from numpy.typing import NDArray
from torch.distributed.rendezvous import rendezvous

from gptcli.errors import ProcessLostError, reason_of
from gptcli.runtime.world import ALONE, World, launched

_LONGEST_WAIT = timedelta(seconds=60)  # until all processes have come


@contextlib.contextmanager
def joined() -> Iterator[World]:
    """Connect the processes that torchrun started together; without torchrun it is ALONE."""
    world = launched()
    if world.size == 1:
        yield ALONE
        return
    with _lost_processes(world, "did not come"):
        store, rank, size = next(
            rendezvous("env://", world.rank, world.size, timeout=_LONGEST_WAIT)
        )
        # Sums are few and small: gloo works on any machine and leaves the devices alone.
        torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=size)
    try:
        yield world
    finally:
        torch.distributed.destroy_process_group()


def all_sum(world: World, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add up arrays of one shape over all processes.

    The sum is exact where all processes but one have zero.
    """
    if world.size == 1:
        return values
    summed = torch.from_numpy(values.copy())
    with _lost_processes(world, "ended, or took too long"):
        torch.distributed.all_reduce(summed)
    return summed.numpy()


@contextlib.contextmanager
def _lost_processes(world: World, what: str) -> Iterator[None]:
    """Turn the errors of torch.distributed into one that says what happened to the others."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        raise ProcessLostError(
            f"another of the {world.size} processes {what} ({reason_of(error)}): "
            f"is {os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')} free and right, "
            "and is every rank started? Then try again"
        ) from error
