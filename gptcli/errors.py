"""Every failure that gptcli foresees, each with the exit code that scripts can rely on.

A message says what is wrong, where (path, offset, line) and the remedy, in one line.
"""


class GptcliError(Exception):
    """Base of all foreseen failures; caught in one place, ``gptcli.cli.main``."""

    exit_code = 1


class UsageError(GptcliError):
    """A wrong flag, or a path, dataset, run or optional package that is missing."""

    exit_code = 2


class DataError(GptcliError):
    """Text or a dataset that cannot be used as it is."""

    exit_code = 3


class CheckpointError(GptcliError):
    """A model, checkpoint or tokenizer that is damaged or does not match."""

    exit_code = 4


class ResourceError(GptcliError):
    """A failure of disk, permissions, lock, network or hub."""

    exit_code = 5


class DivergedError(GptcliError):
    """The loss or a gradient is no longer a finite number; ``step`` is where that was found."""

    exit_code = 6

    def __init__(self, message: str, step: int | None = None) -> None:
        super().__init__(message)
        self.step = step


class MemoryExhaustedError(GptcliError):
    """The device has no memory left for what was asked."""

    exit_code = 7


class TrainingStopped(GptcliError):  # noqa: N818
    """Training stopped because it was asked to: what it has learnt is saved, and it can go on."""

    exit_code = 75


class ProcessLostError(GptcliError):
    """A process that shares the work did not come, or is gone: try again."""

    exit_code = 75


def reason_of(error: BaseException) -> str:
    """The first line of another library's error for a message, or its type where it has none."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200]
