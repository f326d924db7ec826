"""Kills by ``kill -9``: at random times, and at each file operation of a run's saves."""

import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.faults.command import HungError
from tests.faults.small_run import SmallRun, last_weights, saved_steps, small_run
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
        _go_on(run, place, command.wait, tally)
    return tally


def at_each_operation(folder: Path, tries: int) -> Tally:
    """Kill a run before each operation on files, or ``tries`` of them, in turn."""
    run, tally = small_run(folder, steps=9, interval=3), Tally()
    for number in _spread(_count(run), tries):
        place = run.place(f"operation-{number}")
        command = run.start(place, prepare=partial(_kill_before, number))
        _go_on(run, place, command.wait, tally)
    return tally


def _go_on(run: SmallRun, place: Path, killed: Callable[[], int], tally: Tally) -> None:
    """Let a killed run go on to its end, which must be that of a run that was never killed."""
    tally.tries += 1
    try:
        code = killed()
        directory = place / "runs" / "text"
        saved = saved_steps(directory)
        command = run.start(place)
        end, said = command.wait(), command.said()
    except HungError as error:
        tally.hang(f"{place.name}: {error}")
        return
    if code not in (-signal.SIGKILL, 0) or end:
        tally.fail(f"{place.name}: exit codes {code} and {end}: {said}")
    elif saved and f"at step {int(saved[-1][5:]):,}" not in said and not _is_done(saved, run):
        tally.lose(f"{place.name}: {saved[-1]} was there, but: {said}")
    elif last_weights(directory) != run.weights:
        tally.lose(f"{place.name}: other weights than without a kill")
    elif left := [*place.rglob(".tmp-*"), *place.rglob(".old-*"), *place.rglob(".*.lock")]:
        tally.fail(f"{place.name}: {left[0]} was left behind")
    else:
        shutil.rmtree(place)


def _is_done(saved: list[str], run: SmallRun) -> bool:
    return saved[-1] == saved_steps(run.folder / "runs" / "text")[-1]


def _spread(count: int, tries: int) -> list[int]:
    """Up to ``tries`` numbers below ``count``, evenly."""
    return sorted({number * count // tries for number in range(tries)})


def _count(run: SmallRun) -> int:
    """How many operations on files a run has."""
    place = run.place("counted")
    command = run.start(place, prepare=partial(_count_into, place / "count"))
    if code := command.wait():
        raise RuntimeError(f"exit code {code}: {command.said()}")
    return (place / "count").stat().st_size


def _count_into(file: Path) -> None:
    descriptor = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    _watch(lambda: os.write(descriptor, b"."))


def _kill_before(number: int) -> None:
    left = number

    def count() -> None:
        nonlocal left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1

    _watch(count)


def _watch(before: Callable[[], object]) -> None:
    """Have ``before`` called ahead of every operation on files."""

    def watched(operation: Callable[..., object]) -> Callable[..., object]:
        def call(*given: object, **more: object) -> object:
            before()
            return operation(*given, **more)

        return call

    for module, name in _OPERATIONS:
        setattr(module, name, watched(getattr(module, name)))
