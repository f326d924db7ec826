"""What this process is among those that torchrun started, and how many cores it may use."""

import os
from dataclasses import dataclass

from gptcli.errors import UsageError


@dataclass(frozen=True)
class World:
    """The rank of a process, and the world size: how many processes share the work.

    ``parts`` are those into which the model is cut, one for each process, or 1 where each process
    has all of it.
    """

    rank: int = 0
    size: int = 1
    parts: int = 1

    @property
    def is_sharded(self) -> bool:
        """Whether this process has a part of the model."""
        return self.size > 1 and self.parts > 1


ALONE = World()
_MOST_PROCESSES = 100_000
_WAY_OUT = (
    "start the processes with torchrun, which sets RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT, "
    "or unset these four for one process"
)


def launched() -> World:
    """Read rank and world size from torchrun's environment; ALONE without torchrun.

    Raises UsageError that names the variable which is missing or makes no sense.
    """
    if not os.environ.keys() & {"RANK", "WORLD_SIZE"}:
        return ALONE
    size = _whole("WORLD_SIZE", 1, _MOST_PROCESSES)
    world = World(_whole("RANK", 0, size - 1), size)
    if size > 1:
        _whole("MASTER_PORT", 1, 65_535)
        _variable("MASTER_ADDR")
    return world


def is_first() -> bool:
    """Whether this process is alone, or the first of torchrun's, which speaks for the others."""
    return os.environ.get("RANK", "0") == "0"


def _whole(name: str, low: int, high: int) -> int:
    text = _variable(name)
    if not (text.isascii() and text.isdigit() and len(text) < 10 and low <= int(text) <= high):
        raise UsageError(
            f"{name} is {text!r:.40} in the environment, not a number from {low} to {high:,}: "
            f"{_WAY_OUT}"
        )
    return int(text)


def _variable(name: str) -> str:
    if not (text := os.environ.get(name, "")):
        raise UsageError(
            f"{name} is not set in the environment, but others like it are: {_WAY_OUT}"
        )
    return text


def restarts() -> int:
    """How often torchrun has started all processes again, after one of them ended."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


def available_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
