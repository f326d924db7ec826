"""Which of the processes that torchrun started this one is."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class World:
    """The process of number ``rank`` among ``size`` that share the work."""

    rank: int = 0
    size: int = 1


ALONE = World()


def launched() -> World:
    """Read from the environment which process this is; ALONE without torchrun."""
    return World(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))
