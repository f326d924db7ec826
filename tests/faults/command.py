"""gptcli in a process of its own that can be killed, forked from one that has imported all."""

import contextlib
import multiprocessing
import os
import sys
from collections.abc import Callable
from pathlib import Path

from gptcli.__main__ import main
from gptcli.training import estimate

LONGEST = 60.0  # seconds; what takes longer hangs
_PRELOADED = [
    "gptcli.cli", "gptcli.commands.train.run", "gptcli.commands.prepare.run",
    "gptcli.commands.eval.run", "matplotlib.figure", "matplotlib.backends.backend_svg",
]  # fmt: skip


class HungError(Exception):
    """A command that did not end in time, and was killed."""


class Command:
    """``gptcli ARGV`` in ``folder``; ``prepare`` is called before it, in its process.

    What it prints is in the file ``log`` of the folder.
    """

    def __init__(
        self, folder: Path, *argv: object, prepare: Callable[[], None] | None = None
    ) -> None:
        self.log = folder / "log"
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(_PRELOADED)
        words = tuple(map(str, argv))
        self._process = context.Process(target=_run, args=(folder, words, prepare))
        self._process.start()

    def kill(self) -> None:
        """Kill it as ``kill -9`` does."""
        self._process.kill()

    def wait(self, seconds: float = LONGEST) -> int:
        """Its exit code, the negative number of the signal that ended it; HungError if none."""
        self._process.join(seconds)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()
            raise HungError(f"not done after {seconds:.0f} s: {self.said()[-200:]}")
        return self._process.exitcode

    def said(self) -> str:
        """What it has printed so far."""
        with contextlib.suppress(OSError):
            return self.log.read_text(encoding="utf-8", errors="replace")
        return ""


def _run(folder: Path, words: tuple[str, ...], prepare: Callable[[], None] | None) -> None:
    os.chdir(folder)
    with Path("log").open("wb") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    sys.argv = ["gptcli", *words]
    estimate._LEAST_SECONDS = 0.0  # telling how long the run will take would take longer
    if prepare is not None:
        prepare()
    main()
