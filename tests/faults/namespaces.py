"""Namespaces of Linux: a process's own view of disks and networks, which a user may change."""

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.faults.command import DiedError, in_child
from tests.faults.tally import NotPossibleHere

_NEW_USER, _NEW_MOUNTS = 0x10000000, 0x00020000
_RECURSIVE, _PRIVATE = 0x4000, 0x40000


def check_mounts() -> None:
    """Raise NotPossibleHere unless a user may mount a disk of memory in a namespace."""
    try:
        if problem := in_child(_problem_of_mounting):
            raise NotPossibleHere(f"namespaces for mounts are not allowed: {problem}")
    except DiedError as error:
        raise NotPossibleHere(f"namespaces for mounts: {error}") from None


def check_networks() -> None:
    """Raise NotPossibleHere unless a user may join two networks by a cable in namespaces."""
    if missing := [name for name in ("unshare", "nsenter", "ip") if shutil.which(name) is None]:
        raise NotPossibleHere(f"there is no {missing[0]}")
    cable = "ip link add cable0 type veth peer name cable1"
    tried = subprocess.run(["unshare", "-Urn", "sh", "-c", cable], capture_output=True, check=False)
    if tried.returncode:
        why = tried.stderr.decode().strip()
        raise NotPossibleHere(f"namespaces for networks are not allowed: {why}")


def _problem_of_mounting() -> str | None:
    try:
        mount_memory(Path("/tmp"), "size=64k")
    except (OSError, AttributeError) as error:
        return str(error)
    return None


def mount_memory(place: Path, options: str) -> None:
    """Mount a disk of memory, for this process and its children alone; it must have one thread."""
    if sys.platform != "linux":
        raise OSError("only Linux has them")
    library = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    _check(library.unshare(_NEW_USER | _NEW_MOUNTS))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    _check(library.mount(b"none", b"/", None, _RECURSIVE | _PRIVATE, None))
    _check(library.mount(b"none", os.fsencode(place), b"tmpfs", 0, options.encode()))


def _check(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
