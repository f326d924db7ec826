"""How busy other processes keep this machine, and threads that give way to them."""

import os
import sys
import time
from pathlib import Path

from gptcli.runtime.world import available_cores

_SECONDS = 0.1
_POLICIES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
_IDLE, _IO_WAIT = 3, 4  # columns of /proc/stat


def give_way_if_busy() -> float | None:
    """Let OpenMP's waiting threads sleep, not spin, where other work needs the cores.

    Returns how many cores that work uses; None where nothing was changed. Spinning threads then
    take the time from those they wait for, and all become ten times as slow; on an idle machine
    it is faster. To be called before torch is imported, which reads the variable once.
    """
    if "torch" in sys.modules or any(name in os.environ for name in _POLICIES):
        return None
    cores = available_cores()
    if not hasattr(os, "getloadavg") or os.getloadavg()[0] < cores / 2:
        return None
    used = _cores_in_use()
    if used is None or used < cores / 4:
        return None
    os.environ["OMP_WAIT_POLICY"] = "passive"
    return used


def _cores_in_use() -> float | None:
    """The mean over a moment in which this process sleeps; None where the system does not tell."""
    before = _times()
    started = time.perf_counter()
    time.sleep(_SECONDS)
    seconds, after = time.perf_counter() - started, _times()
    if before is None or after is None:
        return None
    return (after - before) / os.sysconf("SC_CLK_TCK") / seconds


def _times() -> int | None:
    """Clock ticks in which a core was busy, summed over all cores, since the start."""
    try:
        columns = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:9]
    except (OSError, IndexError):
        return None
    numbers = [int(column) for column in columns]
    return sum(numbers) - numbers[_IDLE] - numbers[_IO_WAIT]
