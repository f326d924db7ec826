"""What this process is among those that torchrun started, and how many cores it may use."""

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


def available_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
