"""The interface by which long work reports its progress to the caller."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

Advance = Callable[[int], None]
"""Called with the number of units (bytes, tokens, steps) done since the last call."""


def no_progress(count: int) -> None:
    """Ignore the progress; the default."""


class Watch(Protocol):
    """Receives the stages of long work, and notes about its choices."""

    def stage(self, label: str, n_bytes: int | None) -> AbstractContextManager[Advance]:
        """Begin a stage that works through ``n_bytes`` of text (None: unknown)."""

    def note(self, message: str) -> None:
        """Report a choice that the user should know about."""


class Unwatched:
    """A Watch that ignores everything."""

    @contextlib.contextmanager
    def stage(self, label: str, n_bytes: int | None) -> Iterator[Advance]:
        """Run the stage without reporting it."""
        yield no_progress

    def note(self, message: str) -> None:
        """Ignore the note."""
