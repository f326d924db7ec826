"""Kills by ``kill -9``: at random times, and at each file operation of a run's saves."""

import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.faults.going_on import go_on
from tests.faults.small_run import SmallRun, small_run
from tests.faults.tally import Tally

_OPERATIONS = (
    (os, "open"), (os, "fsync"), (os, "mkdir"), (os, "rename"), (os, "replace"), (os, "unlink"),
    (os, "chmod"), (shutil, "rmtree"),
)  # fmt: skip


def at_random_times(folder: Path, tries: int) -> Tally:
    """Kill a run once in each try, at a time between its start and its end."""
    run, chance, tally = small_run(folder), random.Random(1), Tally()
    for number in range(tries):
        place = run.place(f"kill-{number}")
        command = run.start(place)
        time.sleep(chance.uniform(0, run.seconds))
        command.kill()
        go_on(run, place, command, {-signal.SIGKILL, 0}, tally)
    return tally


def at_each_operation(folder: Path, tries: int) -> Tally:
    """Kill a run before each operation on files, or ``tries`` of them, in turn."""
    run, tally = small_run(folder, steps=3, interval=3), Tally()
    for number in _spread(_count(run), tries):
        place = run.place(f"operation-{number}")
        command = run.start(place, around=partial(_killed_before, number))
        go_on(run, place, command, {-signal.SIGKILL, 0}, tally)
    return tally


def _spread(count: int, tries: int) -> list[int]:
    """Up to ``tries`` numbers below ``count``, evenly."""
    return sorted({number * count // tries for number in range(tries)})


def _count(run: SmallRun) -> int:
    """How many operations on files a run has."""
    place = run.place("counted")
    command = run.start(place, around=partial(_counting_into, place / "count"))
    if code := command.wait():
        raise RuntimeError(f"exit code {code}: {command.said()}")
    return (place / "count").stat().st_size


@contextmanager
def _counting_into(file: Path) -> Iterator[None]:
    descriptor = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    _watch(lambda: os.write(descriptor, b"."))
    yield


@contextmanager
def _killed_before(number: int) -> Iterator[None]:
    left = number

    def count() -> None:
        nonlocal left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1

    _watch(count)
    yield


def _watch(before: Callable[[], object]) -> None:
    """Have ``before`` called ahead of every operation on files."""

    def watched(operation: Callable[..., object]) -> Callable[..., object]:
        def call(*given: object, **more: object) -> object:
            before()
            return operation(*given, **more)

        return call

    for module, name in _OPERATIONS:
        setattr(module, name, watched(getattr(module, name)))
