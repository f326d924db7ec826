"""The memory of a whole training process is what the system says that it took."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gptcli.training.defaults import resolve
from gptcli.training.preflight import preflight

_SCRIPT = """
from gptcli.cli import main
try:
    main()
finally:
    status = open("/proc/self/status").read().splitlines()
    print(next(line.split()[1] for line in status if line.startswith("VmHWM")))
"""
SIZES = {
    "n_layer": 6, "n_head": 4, "n_embd": 128, "block_size": 256, "batch_size": 16, "max_iters": 1,
    "eval_interval": 1, "eval_batches": 1,
}  # fmt: skip


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")
def test_the_peak_of_a_process_is_met_within_15_percent(prepare_string, tmp_path: Path) -> None:
    dataset = prepare_string("the quick brown fox jumps over it\n" * 1000, tmp_path / "data")
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in SIZES.items()]
    command = ["train", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "run"), "-q"]
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, *command, *flags, "--json"],
        capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    record = json.loads((tmp_path / "run" / "train.json").read_text())["training"]
    resolved = resolve(SIZES, None, dataset.vocab_size, "cpu", record["precision"], 2)
    estimate = preflight(resolved.model, resolved.training, dataset).memory.peak
    assert estimate == pytest.approx(1024 * int(done.stdout.split()[-1]), rel=0.15)
