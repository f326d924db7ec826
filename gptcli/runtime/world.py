"""The rank of this process, and the number of processes that torchrun started."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class World:
    """The rank of a process, and the world size: how many processes share the work."""

    rank: int = 0
    size: int = 1


ALONE = World()


def launched() -> World:
    """Read rank and world size from torchrun's environment; ALONE without torchrun."""
    return World(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))
