"""Durations as a user writes them: ``90s``, ``10m``, ``1h30m``, ``600``."""

import re

from gptcli.config.checks import flag
from gptcli.errors import UsageError

_DURATION = re.compile(
    r"(?:(?P<h>\d+(?:\.\d+)?)h)?(?:(?P<m>\d+(?:\.\d+)?)m(?:in)?)?(?:(?P<s>\d+(?:\.\d+)?)s?)?"
)
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0}
_LONGEST = 366 * 86400.0


def parsed_duration(name: str, text: str) -> float:
    """The number of seconds; UsageError for what is no duration, or over a year."""
    match = _DURATION.fullmatch(text.strip().lower().replace(" ", ""))
    parts = match.groupdict() if match else {}
    seconds = sum(float(parts[unit]) * size for unit, size in _SECONDS.items() if parts.get(unit))
    examples = "try 90s, 10m or 2h"
    if seconds > _LONGEST:
        raise UsageError(f"{flag(name)} {text!r:.40} is longer than a year: {examples}")
    if not seconds:
        raise UsageError(f"{flag(name)} {text!r:.40} is not a duration: {examples}")
    return seconds
