"""Contestants timed in turn, so that a drifting machine is fair to all."""

import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from tests.benchmarks.contestants import output


def take_turns(
    contestants: Mapping[str, Callable[[], float]], rounds: int
) -> dict[str, list[float]]:
    """What each contestant measures in every round; one that fails is named and left out."""
    measured: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(1, rounds + 1):
        for name, measure in contestants.items():
            if name not in measured:
                continue
            try:
                measured[name].append(measure())
                last = measured[name][-1]
                print(f"  round {number} of {rounds}: {name} {last:.4g}", file=sys.stderr)
            except (RuntimeError, AssertionError) as error:
                print(f"  {name} failed: {error}", flush=True)
                del measured[name]
    return measured


def time_in_turn(
    commands: Mapping[str, Sequence[str]], rounds: int, folder: Path = Path()
) -> dict[str, list[float]]:
    """Wall seconds of every command in every round, after one that does not count."""
    contestants = {name: partial(_seconds, command, folder) for name, command in commands.items()}
    take_turns(contestants, 1)
    return take_turns(contestants, rounds)


def _seconds(command: Sequence[str], folder: Path) -> float:
    started = time.perf_counter()
    output(command, folder)
    return time.perf_counter() - started


def print_steps(seconds: Mapping[str, Sequence[float]], tokens: int) -> None:
    """Milliseconds and tokens per second of every contestant, and the lead of gptcli."""
    for name, values in seconds.items():
        pace = tokens / statistics.median(values)
        print(f"  {name:<32}{spread(values, 1000, ' ms')} a step, {pace:,.0f} tokens/s")
    print_lead({name: statistics.median(values) for name, values in seconds.items()}, "gptcli")


def print_lead(seconds: Mapping[str, float], ours: str) -> None:
    """How much less time the fastest contestant of ours took than the fastest other one."""
    mine = {name: value for name, value in seconds.items() if name.startswith(ours)}
    others = {name: value for name, value in seconds.items() if name not in mine}
    if mine and others:
        best, rival = min(mine, key=mine.__getitem__), min(others, key=others.__getitem__)
        ratio = others[rival] / mine[best]
        print(f"  {best} is {ratio:.2f}x as fast as {rival}, the fastest of the others")


def spread(values: Sequence[float], scale: float = 1.0, unit: str = "") -> str:
    """Median and range."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{scale * middle:,.1f}{unit} ({scale * low:,.1f} to {scale * high:,.1f})"
