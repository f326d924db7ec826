"""What preparation tells whoever started it."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

Advance = Callable[[int], None]


class Watch(Protocol):
    """Hears of stages and choices."""

    def stage(self, label: str, n_bytes: int | None) -> AbstractContextManager[Advance]:
        """A stage of work over ``n_bytes`` of text (None: unknown) begins; it tells its steps."""

    def note(self, message: str) -> None:
        """Something was chosen that the user should know."""


class Unwatched:
    """Nobody listens."""

    @contextlib.contextmanager
    def stage(self, label: str, n_bytes: int | None) -> Iterator[Advance]:
        """Go on in silence."""
        yield lambda count: None

    def note(self, message: str) -> None:
        """Keep it."""
