"""Checks of values that configurations share; every message names the flag.

Also how flags and counts are written in messages everywhere.
"""

import difflib
from types import MappingProxyType

from gptcli.errors import UsageError

_OFF = MappingProxyType({"tied": "--untied"})  # switches whose other side is not --no-NAME
_LARGEST = 1e300  # an int may be too large for a float


def flag(name: str) -> str:
    """``n_layer`` as the user writes it: ``--n-layer``."""
    return "--" + name.replace("_", "-")


def flag_with(name: str, value: object) -> str:
    """A flag and its value as the user types them: ``--n-layer 4``, ``--bias``, ``--no-bias``."""
    if value is True:
        return flag(name)
    if value is False:
        return _OFF.get(name, flag(f"no_{name}"))
    return f"{flag(name)} {value}"


def counted(number: int, noun: str) -> str:
    """The number with its noun: ``1 layer``, ``1,200 layers``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def check_whole(name: str, value: object, least: int, most: int = 10**12) -> None:
    """Raise UsageError unless ``value`` is a whole number from ``least`` to ``most``."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise UsageError(f"{flag(name)} must be a whole number, not {_shown(value)}")
    if value < least:
        raise UsageError(f"{flag(name)} must be at least {least}, not {_shown(value)}")
    if value > most:
        raise UsageError(f"{flag(name)} must be at most {most:,}, not {_shown(value)}")


def check_not_negative(name: str, value: object) -> None:
    """Raise UsageError unless ``value`` is a finite number of 0 or more."""
    if _finite(name, value) < 0:
        raise UsageError(f"{flag(name)} must be at least 0, not {_shown(value)}")


def check_positive(name: str, value: object) -> None:
    """Raise UsageError unless ``value`` is a finite number above 0."""
    if _finite(name, value) <= 0:
        raise UsageError(f"{flag(name)} must be greater than 0, not {_shown(value)}")


def _finite(name: str, value: object) -> float:
    if isinstance(value, int | float) and -_LARGEST <= value <= _LARGEST:
        return value
    raise UsageError(f"{flag(name)} must be a finite number, not {_shown(value)}")


def check_switch(name: str, value: object) -> None:
    """Raise UsageError unless ``value`` is true or false."""
    if not isinstance(value, bool):
        raise UsageError(f"{name} must be true or false, not {_shown(value)}")


def check_fraction(name: str, value: object, example: float) -> None:
    """Raise UsageError unless ``value`` lies in [0, 1)."""
    if not isinstance(value, int | float) or not 0.0 <= value < 1.0:
        raise UsageError(
            f"{flag(name)} must be at least 0 and below 1, not {_shown(value)}: try {flag(name)} "
            f"{example}"
        )


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Raise UsageError unless ``value`` is one of ``choices``."""
    if value not in choices:
        near = difflib.get_close_matches(str(value).lower(), choices, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise UsageError(
            f"{flag(name)} {value!s:.40} is unknown{hint}: choose one of {', '.join(choices)}"
        )


def _shown(value: object) -> str:
    """The value as a user would type it: ``-1`` for -1.0, and never a page of digits."""
    return f"{value!r:.40}".removesuffix(".0")
