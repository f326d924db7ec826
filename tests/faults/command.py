"""Processes that can be killed, forked from one that has imported all of gptcli."""

import contextlib
import multiprocessing
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

from gptcli.__main__ import main
from gptcli.training import estimate

Around = Callable[[], AbstractContextManager[object]]
LONGEST = 150.0  # seconds; what takes longer hangs, also where others keep the machine busy
_PRELOADED = [
    "gptcli.cli", "gptcli.commands.train.run", "gptcli.commands.prepare.run",
    "gptcli.commands.eval.run", "matplotlib.figure", "matplotlib.backends.backend_svg",
]  # fmt: skip


def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    return context


class HungError(Exception):
    """What did not end in time, and was killed."""


class DiedError(Exception):
    """A process that ended without an answer."""


class Command:
    """``gptcli ARGV`` in ``folder``, within what ``around`` makes in its process.

    What it prints is in the file ``log`` there.
    """

    def __init__(
        self, folder: Path, *argv: object, around: Around = nullcontext, log: str = "log"
    ) -> None:
        self.log = folder / log
        words = tuple(map(str, argv))
        self._process = _context().Process(target=_run, args=(self.log, words, around))
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


def in_child(work: Callable[..., Any], *given: object, seconds: float = LONGEST) -> Any:
    """What ``work`` returns in a process of its own; HungError or DiedError where nothing."""
    context = _context()
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(theirs, work, given))
    process.start()
    theirs.close()
    try:
        if not ours.poll(seconds):
            raise HungError(f"not done after {seconds:.0f} s")
        return ours.recv()
    except EOFError:
        process.join()
        raise DiedError(f"ended with code {process.exitcode}") from None
    finally:
        process.kill()
        process.join()


def _answer(pipe: Connection, work: Callable[..., Any], given: Sequence[object]) -> None:
    pipe.send(work(*given))


def _run(log: Path, words: tuple[str, ...], around: Around) -> None:
    os.chdir(log.parent)
    with log.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.argv = ["gptcli", *words]
    estimate._LEAST_SECONDS = 0.0  # telling how long the run will take would take longer
    with around():
        main()
