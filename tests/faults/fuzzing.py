"""Damaged and hostile files for every reader: refused by an error of ours, or read rightly."""

import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy

from gptcli.errors import GptcliError
from tests.faults.command import DiedError, HungError, in_child
from tests.faults.tally import Tally

_LONGEST = 5.0  # seconds of the processor for one file
_MOST_MEMORY = 3 * 2**30  # bytes of addresses beyond those of the imported libraries


@dataclass(frozen=True)
class Target:
    """A reader, and the files for it.

    ``read(path)`` reads a file of the name ``file`` and asserts that what it gives is right.
    ``files`` is a function, since a strategy cannot be sent to another process.
    """

    file: str
    files: Callable[[], SearchStrategy[bytes]]
    read: Callable[[Path], object]


def fuzzed(target: Target) -> Callable[[Path, int], Tally]:
    """The case of a reader: in a process of its own, since a library may end it."""
    return partial(_fuzz, target)


def _fuzz(target: Target, folder: Path, tries: int) -> Tally:
    tally = Tally()
    tally.tries = tries
    try:
        tally.tries, problems = in_child(_search, target, folder, tries, seconds=60 + tries)
        for problem in problems:
            tally.fail(f"{target.file}: {problem}")
    except DiedError as error:
        tally.fail(f"{target.file}: {error} at {_kept(folder, target)}")
    except HungError as error:
        tally.hang(f"{target.file}: {error} at {_kept(folder, target)}")
    return tally


def _kept(folder: Path, target: Target) -> str:
    """The last file that was tried, for a look at it."""
    return repr((folder / target.file).read_bytes()[-2000:])


def _search(target: Target, folder: Path, tries: int) -> tuple[int, list[str]]:
    """Read so many files; returns how many, and what was wrong with the simplest of them."""
    path, count, n_read = folder / target.file, 0, 0

    @settings(
        max_examples=tries, derandomize=True, database=None, deadline=None,
        phases=(Phase.generate, Phase.shrink), suppress_health_check=list(HealthCheck),
        report_multiple_bugs=True,
    )  # fmt: skip
    @given(target.files())
    def search(content: bytes) -> None:
        nonlocal count, n_read
        count += 1
        path.write_bytes(content)
        started = time.process_time()
        try:
            target.read(path)
            n_read += 1
        except GptcliError as error:
            assert len(str(error)) < 2000, f"a message of {len(str(error)):,} characters"
        seconds = time.process_time() - started
        assert seconds < _LONGEST, f"it took {seconds:.1f} s"

    with _limited_memory():
        try:
            search()
        except ExceptionGroup as group:
            return count, [_told(error, path) for error in group.exceptions]
        except BaseException as error:
            return count, [_told(error, path)]
    return count, [] if n_read else ["all were refused, those without damage too"]


def _told(error: BaseException, path: Path) -> str:
    notes = " ".join(getattr(error, "__notes__", ()))
    return f"{type(error).__name__}: {str(error)[:300]}; {notes[-1500:]}"


@contextmanager
def _limited_memory() -> Iterator[None]:
    """Have what takes gigabytes fail."""
    if sys.platform != "linux":
        yield
        return
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before: Any = resource.getrlimit(resource.RLIMIT_AS)
    limit = pages * resource.getpagesize() + _MOST_MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
