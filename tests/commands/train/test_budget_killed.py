"""A run for a time that is killed goes on, bit for bit, as the run of its number of steps."""

import json
import signal
import subprocess
import sys
from pathlib import Path

MODEL = (
    "--family", "nanochat", "--n-layer", "1", "--n-head", "2", "--n-embd", "16",
    "--block-size", "16", "--dropout", "0.1", "--compile", "off", "--eval-interval", "10",
)  # fmt: skip
KILLED_AT = 47  # after the last plan, at about 0.35 of 80 steps, and the save at 40

# A clock on which a step takes a tenth of a second, and an end without any warning.
PROGRAM = f"""
import functools, os, signal, types
import gptcli.commands.train.run as command, gptcli.training.loop as loop
from gptcli.cli import main
from gptcli.training.step import Stepper

now = [0.0]
advance = Stepper.advance

def stepping(stepper, step):
    if step == {KILLED_AT}:
        os.kill(os.getpid(), signal.SIGKILL)
    now[0] += 0.1
    advance(stepper, step)

Stepper.advance = stepping
loop.time = types.SimpleNamespace(perf_counter=lambda: now[0])
command.process_began = lambda: 0.0
command.TimeBudget = functools.partial(command.TimeBudget, clock=lambda: now[0])
main()
"""


def test_killed_after_its_plan_it_resumes_to_the_weights_of_a_run_that_was_not_stopped(
    cli, prepared: Path
) -> None:
    arguments = ["train", *MODEL, "--time-budget", "8s", "--out", "killed"]
    died = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], cwd=prepared, capture_output=True, check=False
    )
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    stored = json.loads((prepared / "killed" / "train.json").read_text())["training"]
    steps = stored["max_iters"]
    assert KILLED_AT < steps < 80
    assert sorted((prepared / "killed" / "resume").iterdir())[-1].name == "step-00000040"
    assert cli("train", "--resume", "killed").code == 0
    plain = ("--max-iters", steps, "--schedule", stored["schedule"], "--out", "plain")
    warm_up = ("--warmup-iters", stored["warmup_iters"])
    assert cli("train", *MODEL, *plain, *warm_up).code == 0
    last = Path("resume", f"step-{steps:08d}")
    for file in ("model.safetensors", "optimizer.safetensors"):
        resumed, straight = (prepared / run / last / file for run in ("killed", "plain"))
        assert resumed.read_bytes() == straight.read_bytes()
