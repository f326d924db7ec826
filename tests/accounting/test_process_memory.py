"""The memory of a whole training process is what the system says that it took."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from gptcli.accounting.process_memory import process_memory
from gptcli.config.model import ModelConfig
from gptcli.config.objective import PreferenceOptimization
from gptcli.training.defaults import Material, resolve
from gptcli.training.objective_memory import objective_memory
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


def test_other_objectives_have_all_logits_at_once() -> None:
    model = ModelConfig(n_layer=2, n_head=2, n_embd=64, block_size=128, vocab_size=50_257)
    training = resolve({**SIZES, "batch_size": 8}, None, 65, "cpu", "bfloat16", 2).training
    parts, whole = (process_memory(model, training, 0, whole_logits=one) for one in (False, True))
    assert whole.loss > 5 * parts.loss
    objective, material = PreferenceOptimization(), Material(n_rows=100, longest_row=128)
    assert (
        objective_memory(model, replace(training, batch_size=4), objective, material).loss
        == whole.loss
    )
