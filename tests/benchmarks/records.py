"""Long runs, each measured once and kept as a line of JSON, so that a stopped loop continues.

A run is ``gptcli train`` from cold caches, timed from its start to its exit, and ``gptcli eval``
of what it left: the whole val split in windows that do not overlap.
"""

import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from gptcli.accounting.parameters import exact_count
from gptcli.checkpoint.config_json import read_model_config
from tests.benchmarks.contestants import ROOT, gptcli, output
from tests.benchmarks.machine import processor

_FILE = "results.jsonl"


@dataclass(frozen=True)
class Result:
    """One run: what was typed, on which dataset, and what came of it.

    ``code`` is the sha256 of the sources that it was measured with.
    """

    command: str
    data: str
    seed: int
    seconds: float
    val_loss: float
    context: int
    steps: int
    params: int
    cpu: str
    code: str


class Records:
    """The results in a folder, which also holds the datasets and the runs."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._file = folder / _FILE
        lines = self._file.read_text().splitlines() if self._file.exists() else []
        self._known = [Result(**json.loads(line)) for line in lines]

    def measured(self, data: str, flags: Sequence[str], seed: int) -> Result:
        """The result of ``gptcli train FLAGS`` with this seed, from the file or from a new run."""
        command = " ".join(("gptcli train", *flags))
        for known in self._known:
            if (known.command, known.data, known.seed) == (command, data, seed):
                changed = "" if known.code == _code() else ", of other sources than today's"
                _print_line(known, f"  (from {_FILE}{changed})")
                return known
        result = self._run(command, data, flags, seed)
        _print_line(result)
        with self._file.open("a") as file:
            file.write(json.dumps(asdict(result)) + "\n")
        self._known.append(result)
        return result

    def _run(self, command: str, data: str, flags: Sequence[str], seed: int) -> Result:
        digest = hashlib.sha256(command.encode()).hexdigest()[:8]
        name = f"runs/{data}-{digest}-{seed}"
        train = (
            sys.executable, "-m", "gptcli", "train", "--data", f"data/{data}", *flags,
            "--seed", str(seed), "--out", name, "--overwrite",
        )  # fmt: skip
        with tempfile.TemporaryDirectory() as cold:
            started = time.perf_counter()
            output(train, self.folder, XDG_CACHE_HOME=cold)
            seconds = time.perf_counter() - started
        found = json.loads(gptcli(self.folder, "eval", name, "--json"))
        return Result(
            command, data, seed, round(seconds, 1), found["loss"], found["context"],
            found["max_iters"], exact_count(read_model_config(self.folder / name)),
            processor(), _code(),
        )  # fmt: skip


def _print_line(result: Result, remark: str = "") -> None:
    print(
        f"  {result.data}: {result.command} --seed {result.seed}: val loss {result.val_loss:.4f}, "
        f"{result.seconds:.1f} s, {result.steps:,} steps, {result.params:,} parameters, context "
        f"{result.context}{remark}",
        flush=True,
    )


def _code() -> str:
    """Sha256 of the package's sources."""
    paths = sorted((ROOT / "gptcli").rglob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()[:12]
