"""The processes that share an evaluation, as torchrun starts them."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray


@dataclass(frozen=True)
class World:
    """Number ``rank`` of ``size`` processes."""

    rank: int = 0
    size: int = 1

    def total(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The sum over all processes; exact where one alone has something else than zero."""
        if self.size == 1:
            return values
        summed = torch.from_numpy(values.copy())
        torch.distributed.all_reduce(summed)
        return summed.numpy()


ALONE = World()


def launched() -> World:
    """Which process this is, as torchrun says in the environment."""
    return World(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))


@contextlib.contextmanager
def joined() -> Iterator[World]:
    """All processes that were launched together, able to add up what they have."""
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
