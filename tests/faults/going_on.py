"""Whether a run that was interrupted goes on as if nothing had happened."""

import os
import shutil
from pathlib import Path

from tests.faults.command import Command, HungError
from tests.faults.small_run import SmallRun, last_weights, saved_steps
from tests.faults.tally import Tally

KEPT = "kept"  # a copy of the runs on a disk that is gone with its process


def go_on(run: SmallRun, place: Path, command: Command, codes: set[int], tally: Tally) -> None:
    """Wait for the end of a run, which has one of the exit codes, and start it again.

    It must begin where it was last saved, end with the weights of an uninterrupted run, and leave
    no temporary file.
    """
    tally.tries += 1
    directory = place / "runs" / "text"
    try:
        code, before = command.wait(), command.said()
        if (place / KEPT).exists():
            (place / "runs").rmdir()
            os.rename(place / KEPT, place / "runs")
        saved = saved_steps(directory)
        again = run.start(place)
        end, said = again.wait(), again.said()
    except HungError as error:
        tally.hang(f"{place.name}: {error}")
        return
    if code not in codes or end or "Traceback" in before:
        tally.fail(f"{place.name}: exit codes {code} and {end}: {before[-300:]}{said[-300:]}")
    elif saved and not _continues(said, saved[-1], run):
        tally.lose(f"{place.name}: {saved[-1]} was there, but: {said}")
    elif last_weights(directory) != run.weights:
        tally.lose(f"{place.name}: other weights than without an interruption")
    elif left := [*place.rglob(".tmp-*"), *place.rglob(".old-*"), *place.rglob(".*.lock")]:
        tally.fail(f"{place.name}: {left[0]} was left behind")
    else:
        shutil.rmtree(place)


def _continues(said: str, step: str, run: SmallRun) -> bool:
    is_done = step == saved_steps(run.folder / "runs" / "text")[-1]
    return is_done or f"at step {int(step[5:]):,}" in said
