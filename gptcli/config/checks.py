"""Checks that the configuration objects share; every message names the flag."""

import math

from gptcli.errors import UsageError


def flag(name: str) -> str:
    """``n_layer`` as the user writes it: ``--n-layer``."""
    return "--" + name.replace("_", "-")


def check_whole(name: str, value: object, least: int) -> None:
    """UsageError unless ``value`` is a whole number of at least ``least``."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise UsageError(f"{flag(name)} must be a whole number, not {value!r}")
    if value < least:
        raise UsageError(f"{flag(name)} {value} is too small: it must be at least {least}")


def check_not_negative(name: str, value: object) -> None:
    """UsageError unless ``value`` is a finite number of 0 or more."""
    if not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise UsageError(f"{flag(name)} {value} is not a finite number of 0 or more")


def check_fraction(name: str, value: object, example: float) -> None:
    """UsageError unless ``value`` lies in [0, 1)."""
    if not isinstance(value, int | float) or not 0.0 <= value < 1.0:
        raise UsageError(f"{flag(name)} {value} is outside [0, 1): try {flag(name)} {example}")


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """UsageError unless ``value`` is one of ``choices``."""
    if value not in choices:
        raise UsageError(f"{flag(name)} {value} is unknown: choose one of {', '.join(choices)}")
