"""How much memory a process may still take on this machine: the system's, and its control group's.

A system that is out of memory kills the process without a message, so it is asked beforehand.
"""

import os
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/")
_MEMORY_FILE = "proc/meminfo"
_GROUPS_FILE = "proc/self/cgroup"
_MOUNT = "sys/fs/cgroup"
# Files of a control group with its limit and its usage, and the name in memory.stat of the cache
# in that usage which the kernel gives back when memory is needed.
_VERSION_2 = ("memory.max", "memory.current", "inactive_file")
_VERSION_1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def free_host_memory(root: Path = _ROOT) -> int | None:
    """Bytes that can still be taken; None where the system does not tell.

    Swap counts: what is in it is slow, but it does not end the process. Where the system tells
    only how much memory it has, all of that counts.
    """
    free = [*_free_in_system(root), *_free_in_groups(root)]
    return min(free) if free else _whole_memory()


def _free_in_system(root: Path) -> Iterator[int]:
    """What Linux says that can be taken without swapping, and the swap that is free."""
    values = _numbers(root / _MEMORY_FILE)
    if "MemAvailable:" in values:
        yield 1024 * (values["MemAvailable:"] + values.get("SwapFree:", 0))


def _free_in_groups(root: Path) -> Iterator[int]:
    """What is left in each control group that this process is in, as in a container."""
    for line in _text(root / _GROUPS_FILE).splitlines():
        _, controllers, path, *_ = (*line.split(":", 2), "", "")
        if controllers == "":
            yield from _left(root / _MOUNT, path, _VERSION_2)
        elif "memory" in controllers.split(","):
            yield from _left(root / _MOUNT / "memory", path, _VERSION_1)


def _left(mount: Path, path: str, names: tuple[str, str, str]) -> Iterator[int]:
    """What is left in a group and in those around it; a container sees its own as the mount."""
    limit_file, usage_file, cache = names
    inner = mount / path.lstrip("/")
    for folder in (inner, *inner.parents):
        if folder.is_relative_to(mount):
            limit, usage = _text(folder / limit_file), _text(folder / usage_file)
            if limit.isdigit() and usage.isdigit():
                reclaimed = _numbers(folder / "memory.stat").get(cache, 0)
                yield max(0, int(limit) - int(usage) + reclaimed)


def _whole_memory() -> int | None:
    if not {"SC_PHYS_PAGES", "SC_PAGE_SIZE"} <= getattr(os, "sysconf_names", {}).keys():
        return None
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _numbers(path: Path) -> dict[str, int]:
    """The whole numbers of a file with a name and a number on each line."""
    words = [line.split() for line in _text(path).splitlines()]
    return {line[0]: int(line[1]) for line in words if len(line) > 1 and line[1].isdigit()}


def _text(path: Path) -> str:
    """The text of a small file of the system, empty where there is none."""
    try:
        return path.read_text().strip()
    except (OSError, ValueError):
        return ""
