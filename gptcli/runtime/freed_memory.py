"""What a process does with memory that it has freed.

The C library of Linux often gives it back at once. A model that computes one batch after
another on a CPU then waits for the same memory again, page by page: a third of an evaluation.
"""

import ctypes
import os
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # as in malloc.h
_KEPT = 2**28  # bytes that may lie idle
_LARGEST = 2**25  # bytes of a request that is met from what is kept; glibc allows no more
_SETTINGS = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_")
_TUNABLES = "GLIBC_TUNABLES"  # the other way to set them


def keep_freed_memory() -> None:
    """Have a process that computes on a CPU keep up to 256 MB of it for what is computed next.

    Only with glibc, and where the user has not set its thresholds.
    """
    is_set = any(name in os.environ for name in _SETTINGS)
    if sys.platform != "linux" or is_set or "glibc.malloc" in os.environ.get(_TUNABLES, ""):
        return
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(_TRIM_THRESHOLD, _KEPT)
        set_option(_MMAP_THRESHOLD, _LARGEST)
