"""How long the light commands take, beside the import of the libraries that all of them need."""

import statistics
import sys

from tests.benchmarks.machine import print_title
from tests.benchmarks.timing import spread, time_in_turn

_GPTCLI = [sys.executable, "-m", "gptcli"]
_COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "python -c 'import typer, rich'": [sys.executable, "-c", "import typer, rich"],
    "gptcli --help": [*_GPTCLI, "--help"],
    "gptcli count-params --preset gpt3": [*_GPTCLI, "count-params", "--preset", "gpt3"],
    "python -c 'import torch'": [sys.executable, "-c", "import torch"],
}


def run() -> None:
    """Print wall times and their ratio to the import alone; three times that is the aim."""
    seconds = time_in_turn(_COMMANDS, rounds=15)
    base = statistics.median(seconds["python -c 'import typer, rich'"])
    print_title("start-up, whole process, wall time")
    for name, values in seconds.items():
        ratio = statistics.median(values) / base
        print(f"  {name:<36}{spread(values, 1000, ' ms'):<34}{ratio:.2f}x")
