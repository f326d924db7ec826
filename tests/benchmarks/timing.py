"""Whole processes timed in turn, so that a drifting machine is fair to all."""

import statistics
import subprocess
import time
from collections.abc import Sequence


def time_in_turn(commands: dict[str, Sequence[str]], rounds: int) -> dict[str, list[float]]:
    """Wall seconds of every command in every round, after one round that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            started = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            if number:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def spread(values: Sequence[float], scale: float = 1.0, unit: str = "") -> str:
    """Median and range."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{scale * middle:,.1f}{unit} ({scale * low:,.1f} to {scale * high:,.1f})"
