"""From the start of the process to the first step of ``gptcli train``, beside ``import torch``."""

import statistics
import sys
from pathlib import Path

from tests.benchmarks.contestants import prepare
from tests.benchmarks.machine import print_title
from tests.benchmarks.timing import spread, time_in_turn

_ROUNDS = 7
# The command as it is, which leaves when it asks for its first step.
LEAVES = """
import importlib.abc, importlib.util, os, sys
from gptcli.__main__ import main

class Watch(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != "gptcli.training.step":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        run = spec.loader.exec_module
        def exec_module(module):
            run(module)
            module.Stepper.advance = lambda *_: os._exit(0)
        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, Watch())
try:
    main()
finally:
    sys.exit("it ended without a step")
"""
_LECTURE = ("--n-layer", "6", "--n-head", "6", "--n-embd", "384", "--block-size", "256")
_REST = ("--batch-size", "64", "--family", "gpt2", "--max-iters", "5000", "--compile", "off")


def run(folder: Path, rounds: int | None = None, sizes: tuple[str, ...] = _LECTURE) -> None:
    """Print seconds of both, with the whole evaluation before the first step and with a batch."""
    prepare(folder)
    flags = ("data/input", *sizes, *_REST, "--out", "runs/first", "--overwrite", "-q")
    train = [sys.executable, "-c", LEAVES, "train", *flags]
    commands = {
        "import torch": [sys.executable, "-c", "import torch"],
        "gptcli train": train,
        "gptcli train --eval-batches 1": [*train, "--eval-batches", "1"],
    }
    seconds = time_in_turn(commands, rounds or _ROUNDS, folder)
    print_title("to the first step, lecture size, whole process")
    base = statistics.median(seconds["import torch"])
    for name, values in seconds.items():
        more = statistics.median(values) - base
        print(f"  {name:<32}{spread(values, 1000, ' ms')}, {more:.2f} s more than the import")
