"""One writer at a time in a directory."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from gptcli.errors import ResourceError
from gptcli.runtime.files import reported, write_text


@contextlib.contextmanager
def exclusive(lock: Path, subject: str) -> Iterator[None]:
    """Hold ``lock`` while the block runs; the system frees it when the process dies.

    Raises ResourceError naming the holder when another process has it.
    """
    from filelock import FileLock, Timeout

    holder = lock.with_name(lock.name + "-holder")
    with reported(lock):
        lock.parent.mkdir(parents=True, exist_ok=True)
        handle = FileLock(str(lock), timeout=0)
        try:
            handle.acquire()
        except Timeout:
            raise ResourceError(
                f"{subject} is in use by {_read(holder)}: wait for it or choose another name"
            ) from None
    try:
        with reported(holder):
            write_text(holder, f"process {os.getpid()}")
        yield
    finally:
        holder.unlink(missing_ok=True)
        handle.release()


def _read(holder: Path) -> str:
    try:
        return holder.read_text(encoding="utf-8")[:80] or "another process"
    except OSError:
        return "another process"
