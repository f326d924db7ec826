"""Processes that share an evaluation and add up what each of them found."""

import contextlib
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from gptcli.runtime.world import ALONE, World, launched


@contextlib.contextmanager
def joined() -> Iterator[World]:
    """Connect the processes that torchrun started together; without torchrun it is ALONE."""
    world = launched()
    if world.size == 1:
        yield ALONE
        return
    # Sums are few and small: gloo works on any machine and leaves the devices alone.
    torch.distributed.init_process_group("gloo")
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
    torch.distributed.all_reduce(summed)
    return summed.numpy()
