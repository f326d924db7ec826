"""Locks that allow one writer at a time in a directory."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from gptcli.errors import ResourceError
from gptcli.runtime.files import reported

if sys.platform == "win32":
    from filelock import FileLock, Timeout
else:
    import fcntl


@contextlib.contextmanager
def exclusive(directory: Path) -> Iterator[None]:
    """Hold the lock of ``directory`` while the block runs, so that no other process writes it.

    The lock file is beside the directory, not in it, because a run is a model directory that can
    be published. It is removed when the block ends, and so is a folder that was made for it alone.
    The system frees the lock of a process that is killed; the file that is left is used again and
    then removed. Raises ResourceError, naming the holder, where another process has the lock,
    and where the file cannot be written.
    """
    lock = _lock_of(directory)
    is_new_folder = not lock.parent.exists()
    try:
        with reported(lock):
            lock.parent.mkdir(parents=True, exist_ok=True)
            release = _acquire(lock)
        if release is None:
            raise ResourceError(
                f"{directory.as_posix()} is in use by {_holder(lock)}: wait for it or choose "
                "another name"
            )
        try:
            with reported(lock):
                _write_holder(lock)
            yield
        finally:
            release()
    finally:
        if is_new_folder:
            with contextlib.suppress(OSError):  # there is something in it
                lock.parent.rmdir()


def is_locked(directory: Path) -> bool:
    """Whether a process holds the lock of ``directory``; a file that a kill left does not count."""
    lock = _lock_of(directory)
    if not lock.is_file():
        return False
    try:
        release = _acquire(lock)
    except OSError:
        return True
    if release is None:
        return True
    release()
    return False


def _lock_of(directory: Path) -> Path:
    if directory.is_symlink() or directory.name in ("", ".."):  # one lock, whatever the name
        directory = Path(os.path.realpath(directory))
    return directory.with_name(f".{directory.name}.lock")


def _write_holder(lock: Path) -> None:
    with lock.open("r+b") as file:
        file.seek(1)  # Windows locks the first byte against reading, too
        file.write(f"process {os.getpid()}".encode("ascii"))
        file.truncate()


def _holder(lock: Path) -> str:
    try:
        with lock.open("rb") as file:
            file.seek(1)
            return file.read(80).decode("ascii") or "another process"
    except (OSError, UnicodeDecodeError):
        return "another process"


if sys.platform == "win32":

    def _acquire(lock: Path) -> Callable[[], None] | None:
        """Lock the file; returns a function that unlocks and removes it, None if it is locked."""
        handle = FileLock(lock, timeout=0)
        try:
            handle.acquire()
        except Timeout:
            return None
        return partial(_release, lock, handle)

    def _release(lock: Path, handle: FileLock) -> None:
        handle.release()
        with contextlib.suppress(OSError):  # another process has it open, and will remove it
            lock.unlink()

else:

    def _acquire(lock: Path) -> Callable[[], None] | None:
        """Lock the file; returns a function that unlocks and removes it, None if it is locked."""
        while True:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # The holder before us may have removed the file after we opened it. Then a
                # third process can lock a new one there, and ours would protect nothing.
                if _is_at(descriptor, lock):
                    return partial(_release, lock, descriptor)
            except BlockingIOError:
                os.close(descriptor)
                return None
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)

    def _is_at(descriptor: int, lock: Path) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), lock.stat())
        except FileNotFoundError:
            return False

    def _release(lock: Path, descriptor: int) -> None:
        with contextlib.suppress(OSError):  # in a folder that was made read-only meanwhile
            lock.unlink()  # before unlocking, since then the file could be another process's
        os.close(descriptor)
