"""A run that takes a second: how it is begun, and the weights that it ends with."""

import atexit
import hashlib
import shutil
import tempfile
import time
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from tests.faults.command import LONGEST, Command

_FLAGS = (
    "--family", "gpt2", "--n-layer", 1, "--n-head", 1, "--n-embd", 8, "--block-size", 8,
    "--batch-size", 2, "--dropout", 0.1, "--eval-batches", 1, "--precision", "float32",
    "--device", "cpu", "--compile", "off", "--grad-accum", 2, "--deterministic",
)  # fmt: skip
_TEXT = "".join(f"LINE {n}:\nthe {n} cats ate {n * n} rats.\n\n" for n in range(60))


@dataclass(frozen=True)
class SmallRun:
    """A prepared text in ``folder``, and what an uninterrupted run on it came to.

    ``flags`` begin the run, ``weights`` is its hash at the end, and ``seconds`` are what it took.
    """

    folder: Path
    flags: tuple[object, ...]
    weights: str
    seconds: float

    def place(self, name: str) -> Path:
        """A new folder beside, with the same data."""
        place = self.folder.with_name(name)
        shutil.copytree(self.folder / "data", place / "data")
        return place

    def start(self, place: Path, **more: object) -> Command:
        """Begin or continue the run ``runs/text`` in a place."""
        return Command(place, "train", *self.words(), **more)

    def words(self) -> tuple[str, ...]:
        """The flags that begin or continue the run."""
        return (*map(str, self.flags), "--out", "runs/text", "--resume", "auto")


def small_run(folder: Path, steps: int = 40, interval: int = 10) -> SmallRun:
    """A text and a run on it in a new folder below ``folder``, trained without interruption."""
    made = _made_once(steps, interval)
    place = folder / "straight"
    shutil.copytree(made.folder, place)
    return replace(made, folder=place)


@cache
def _made_once(steps: int, interval: int) -> SmallRun:
    place = Path(tempfile.mkdtemp(prefix="gptcli-faults-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    (place / "text.txt").write_text(_TEXT)
    _done(Command(place, "prepare", "text.txt"))
    flags = (*_FLAGS, "--max-iters", steps, "--eval-interval", interval)
    started = time.monotonic()
    _done(Command(place, "train", *flags, "--out", "runs/text"))
    seconds = time.monotonic() - started
    return SmallRun(place, flags, last_weights(place / "runs" / "text"), seconds)


def _done(command: Command) -> None:
    if code := command.wait(10 * LONGEST):  # no fault is tried, but the machine may be busy
        raise RuntimeError(f"exit code {code} without any fault: {command.said()}")


def saved_steps(run: Path) -> list[str]:
    """The names of the steps that a run has saved, in order."""
    return sorted(step.name for step in (run / "resume").glob("step-*"))


def last_weights(run: Path) -> str:
    """The sha256 of the weights and optimizer of the last saved step."""
    step = run / "resume" / saved_steps(run)[-1]
    files = ("model.safetensors", "optimizer.safetensors", "state.json")
    return hashlib.sha256(b"".join((step / name).read_bytes() for name in files)).hexdigest()
