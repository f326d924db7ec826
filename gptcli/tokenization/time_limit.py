"""A limit for the time that a tokenizer takes: regular expressions may need time without end."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from threading import Thread
from typing import Any, TypeVar

from gptcli.errors import CheckpointError

_LEAST = 10.0  # seconds
_SLOWEST = 20_000  # characters a second; the library does a million on one core
Result = TypeVar("Result")


def has_expressions(part: Any) -> bool:
    """Whether a part of a tokenizer.json holds a regular expression, however deep."""
    if isinstance(part, Mapping):
        return "Regex" in part or any(map(has_expressions, part.values()))
    return isinstance(part, list) and any(map(has_expressions, part))


def in_time(n_characters: int, work: Callable[[], Result]) -> Result:
    """The result of ``work``, which encodes so many characters and lets other threads run.

    CheckpointError where it takes far too long. Nothing can end the library's thread, which goes
    on until the process ends.
    """
    seconds = _LEAST + n_characters / _SLOWEST
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # a panic of the library is not an Exception
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    try:
        return future.result(seconds)
    except TimeoutError:
        raise CheckpointError(
            f"the tokenizer has not encoded {n_characters:,} characters after {seconds:,.0f} s: "
            "one of its regular expressions takes time without end; use another tokenizer"
        ) from None
