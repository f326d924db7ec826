"""When this process was started, the start of Python included."""

import os
import time
from pathlib import Path

_STAT = Path("/proc/self/stat")
_START_FIELD = 21  # of proc(5), in clock ticks since the machine started; after the name: 19


def process_began() -> float:
    """The moment on ``time.monotonic`` at which the process began; now, where that is unknown."""
    now = time.monotonic()
    try:
        after_name = _STAT.read_text().rpartition(")")[2].split()
        ticks = int(after_name[_START_FIELD - 2])
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError, ValueError, IndexError):  # not Linux
        return now
    return now - max(0.0, age)
