"""Parsing quantities with units: 8k tokens, 24GB, 312T operations per second."""

import re
from collections.abc import Mapping
from types import MappingProxyType

from gptcli.errors import UsageError

_NUMBER = re.compile(r"(\d{1,18}(?:\.\d{1,12})?(?:e\+?\d{1,2})?)\s*([a-z/]*)", re.IGNORECASE)
_CONTEXTS = MappingProxyType({"": 1, "k": 1024, "m": 1024**2})
_DECIMAL = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "g": 10**9, "t": 10**12, "p": 10**15}
_COUNTS = MappingProxyType({name: size for name, size in _DECIMAL.items() if name != "g"})
_SPEEDS = MappingProxyType(
    {
        f"{name}{unit}": size
        for name, size in {**_DECIMAL, "e": 10**18}.items()
        for unit in ("", "flops", "flop/s")
        if name != "b"
    }
)
_BYTES = MappingProxyType(
    {
        f"{name}{unit}": base**power
        for base, unit in ((1000, "b"), (1024, "ib"))
        for power, name in enumerate(("k", "m", "g", "t", "p"), 1)
    }
)


def parse_contexts(text: str) -> tuple[int, ...]:
    """``1k,2k,8192`` as token counts; 1k is 1,024."""
    parts = [part.strip() for part in text.split(",")]
    return tuple(_whole("--context", part, _CONTEXTS, 10**9, "1k,2k,8k") for part in parts)


def parse_tokens(text: str) -> int:
    """``300B`` as a count of tokens."""
    return _whole("--train-tokens", text, _COUNTS, 10**18, "300B")


def parse_bytes(text: str) -> int:
    """``24GB`` (decimal) or ``24GiB`` (binary) as bytes; 24 or 24G could be either."""
    return _whole("--gpu-mem", text, _BYTES, 10**18, "24GB or 24GiB")


def parse_speed(text: str) -> int:
    """``312T`` as operations a second."""
    return _whole("--device-flops", text, _SPEEDS, 10**24, "312T")


def _whole(flag: str, text: str, units: Mapping[str, int], most: int, example: str) -> int:
    shown = f"{flag} {text!r:.40}"
    match = _NUMBER.fullmatch(text.strip())
    if match is None or match[2].lower() not in units:
        raise UsageError(f"{shown} is not valid: try {flag} {example}")
    value = float(match[1]) * units[match[2].lower()]
    if not 1 <= value <= most:
        raise UsageError(f"{shown} is outside 1 to {most:,}: try {flag} {example}")
    return round(value)
