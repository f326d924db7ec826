"""Stopping long work by a signal: the handler sets a flag, which is checked between steps.

Also what a signal does while a command starts, before there is anything to save.
"""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from types import FrameType

from gptcli.errors import TrainingStopped

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGBREAK")  # the last is Windows' own
_INTERRUPTED = 130
_IMPORT_SYSTEM = "<frozen importlib._bootstrap>"


def _unanswered() -> None:
    pass


class StopRequest:
    """Whether, and by which signal, the process was asked to stop.

    ``heard`` is called once, at the first signal, from its handler.
    """

    def __init__(self, heard: Callable[[], None] = _unanswered) -> None:
        self.signal_name: str | None = None
        self.heard = heard

    def __bool__(self) -> bool:
        return self.signal_name is not None

    def receive(self, number: int, _frame: FrameType | None) -> None:
        """Remember the signal; a second Ctrl-C interrupts at once."""
        if self.signal_name is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        is_first = self.signal_name is None
        self.signal_name = signal.Signals(number).name
        if is_first:
            self.heard()

    def before_first_step(self) -> TrainingStopped:
        """The error of a run that was stopped before it had learnt anything."""
        return TrainingStopped(_nothing_saved(self.signal_name))


def _nothing_saved(name: str | None) -> str:
    return f"stopped by {name} before the first step: nothing was saved; start it again"


@contextlib.contextmanager
def stop_requests(heard: Callable[[], None] = _unanswered) -> Iterator[StopRequest]:
    """Catch the signals that ask a process to stop, while the block runs."""
    request = StopRequest(heard)
    before = {}
    for number in _stopping_signals():
        before[number] = signal.signal(number, request.receive)
    try:
        yield request
    finally:
        for number, handler in before.items():
            is_over = handler is _leave and number != signal.SIGINT  # it is for the start alone
            signal.signal(number, signal.SIG_DFL if is_over else handler)


def _stopping_signals() -> Iterator[signal.Signals]:
    for name in _NAMES:
        number = getattr(signal, name, None)
        # Programs such as nohup let a signal be ignored on purpose.
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            yield number


def guard_start(is_training: bool) -> None:
    """Let a signal end the process with its code from now on, also while Python imports packages.

    An exception could be lost there: packages catch what their own imports raise. In training,
    SIGTERM and the others count as Ctrl-C does, until ``stop_requests`` takes over.
    """
    for number in _stopping_signals():
        if number == signal.SIGINT or is_training:
            signal.signal(number, _leave)


def _leave(number: int, frame: FrameType | None) -> None:
    if number == signal.SIGINT and not _is_importing(frame):
        raise KeyboardInterrupt
    name = signal.Signals(number).name
    is_interrupt = number == signal.SIGINT
    line = "error: interrupted\n" if is_interrupt else f"{_nothing_saved(name)}\n"
    with contextlib.suppress(OSError):
        os.write(2, line.encode())
    os._exit(_INTERRUPTED if is_interrupt else TrainingStopped.exit_code)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == _IMPORT_SYSTEM:
            return True
        frame = frame.f_back
    return False
