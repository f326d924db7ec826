"""A disk that fills up: what does not fit is refused, and the saves before it stay."""

import resource
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from gptcli.errors import ResourceError
from gptcli.training import loop, setup
from tests.faults.going_on import KEPT, go_on
from tests.faults.namespaces import check_mounts, mount_memory
from tests.faults.small_run import small_run
from tests.faults.tally import Tally

_NO_ROOM = ResourceError.exit_code
_LEAST = 3000  # bytes; what the command prints goes to a file, too


def full_disks(folder: Path, tries: int) -> Tally:
    """Train on disks of different sizes, and on some with room for few files, in turn."""
    check_mounts()
    run, tally = small_run(folder), Tally()
    needed = sum(_sizes(run.folder / "runs")) / 1024
    for number in range(tries):
        share = (number + 1) / tries
        options = (
            f"nr_inodes={int(4 + 60 * share)}" if number % 2 else f"size={needed * share:.0f}k"
        )
        place = run.place(f"disk-{options}")
        (place / "runs").mkdir()
        command = run.start(place, around=partial(_small_disk, options))
        go_on(run, place, command, {0, _NO_ROOM}, tally)
    return tally


def file_limits(folder: Path, tries: int) -> Tally:
    """Train under limits for the size of files, from hardly any to enough."""
    run, tally = small_run(folder), Tally()
    largest = max(
        file.stat().st_size for file in (run.folder / "runs").rglob("*") if file.is_file()
    )
    for number in range(tries):
        limit = _LEAST + (largest - _LEAST) * number // tries
        place = run.place(f"limit-{limit}")
        command = run.start(place, around=partial(_limited, limit))
        go_on(run, place, command, {0, _NO_ROOM}, tally)
    return tally


@contextmanager
def _small_disk(options: str) -> Iterator[None]:
    """Run without the checks for room, so that the disk is full in the middle of a save."""
    setup.check_disk = loop.check_disk = lambda *given, **more: None
    mount_memory(Path("runs"), options)
    try:
        yield
    finally:
        shutil.copytree("runs", KEPT)


@contextmanager
def _limited(n_bytes: int) -> Iterator[None]:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as Python does, for EFBIG in its place
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, resource.RLIM_INFINITY))
    yield


def _sizes(directory: Path) -> list[int]:
    return [file.stat().st_size for file in directory.rglob("*") if file.is_file()]
