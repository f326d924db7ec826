"""Sizes and durations in a form that people read."""

_SCALES = (
    (10**21, "Z"), (10**18, "E"), (10**15, "P"), (10**12, "T"),
    (10**9, "B"), (10**6, "M"), (10**3, "k"),
)  # fmt: skip

_YEAR = 31_557_600  # a mean one of 365.25 days


def rounded(value: int, unit: str = "") -> str:
    """A number with four digits and a decimal prefix: 124.4M, 175.2B, 9.664 GB, 734.8 TFLOP."""
    scales = [(scale, name.replace("B", "G") if unit else name) for scale, name in _SCALES]
    for scale, name in scales:
        if abs(value) >= scale:
            digits = f"{value / scale:#.4g}".rstrip(".")
            return f"{digits}{' ' if unit else ''}{name}{unit}"
    return f"{value} {unit}".rstrip()


def duration(seconds: float) -> str:
    """A duration in its two largest units: ``42 s``, ``9 min 40 s``, ``3 days 4 h``."""
    total = round(seconds)
    if total >= 2 * _YEAR:
        return f"{total / _YEAR:,.1f} years"
    if total < 60:
        return f"{total} s"
    if total < 3600:
        return _two(total, 60, "min", 1, "s")
    if total < 48 * 3600:
        return _two(total, 3600, "h", 60, "min")
    return _two(total, 86400, "days", 3600, "h")


def _two(total: int, large: int, large_name: str, small: int, small_name: str) -> str:
    rest = total % large // small
    first = f"{total // large} {large_name}"
    return f"{first} {rest} {small_name}" if rest else first
