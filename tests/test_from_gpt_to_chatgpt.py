"""The example of all stages: its commands run, and its table is made of what they print."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
# Stands in for gptcli: keeps what is typed, and prints what is said to be its answer.
STAND_IN = f"""#!{sys.executable}
import json, pathlib, sys
kept = pathlib.Path(__file__).parent
typed = kept / "typed"
number = len(typed.read_text().splitlines()) if typed.exists() else 0
with typed.open("a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
answer = kept / f"answer-{{number}}"
print(answer.read_text() if answer.exists() else "")
"""


@pytest.fixture
def script(tmp_path: Path):
    """Runs a script with a stand-in for gptcli, which prints ``answers``.

    Returns what the script prints, and the commands that it types.
    """
    if shutil.which("sh") is None or shutil.which("awk") is None:
        pytest.skip("no sh or no awk here")

    def run(
        answers: Sequence[str] = (), name: str = "from_gpt_to_chatgpt", **environment: str
    ) -> tuple[str, list[list[str]]]:
        folder = tmp_path / f"{name}-{len(answers)}-{len(environment)}"
        folder.mkdir()
        for number, answer in enumerate(answers):
            (folder / f"answer-{number}").write_text(answer)
        stand_in = folder / "gptcli"
        stand_in.write_text(STAND_IN)
        stand_in.chmod(0o755)
        done = subprocess.run(
            ["sh", str(EXAMPLES / f"{name}.sh")],
            env={**os.environ, "GPTCLI": str(stand_in), "FOLDER": str(folder), **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        lines = (folder / "typed").read_text().splitlines()
        return done.stdout, [json.loads(line) for line in lines]

    return run


def test_a_few_steps_of_every_stage_end_in_the_table_of_all(script, cli) -> None:
    _, commands = script(QUICK="1")
    answers = []
    for command in commands:
        done = cli(*command)
        assert done.code == 0, (command, done.stderr)
        answers.append(done.stdout)
    shown, again = script(answers, QUICK="1")
    assert again == commands
    table = shown[shown.index("Held-out questions") :]
    rows = [line.split() for line in table.splitlines()]
    for name in ("instructions", "PPO", "DPO", "addition", "GRPO"):
        (row,) = [one for one in rows if one and one[0] == name]
        is_first = name in ("instructions", "addition")
        n_shares = {"addition": 3, "GRPO": 4}.get(name, 3 if is_first else 4)
        assert [one.endswith("%") for one in row].count(True) == n_shares, table
    assert "prefers the better answer in" in table
    assert "loss 5." in table

    _, (held, free, compared) = script(name="reward_hacking", ITERATIONS="1")
    for command in (held, free):
        assert cli(*command, "--batch-size", 8, "--eval-batches", 1).code == 0
    done = cli(*compared, "--limit", 8)
    assert all(f"runs/{name}" in done.stdout for name in ("sft", "kl-0.05", "kl-0")), done.stderr


def test_the_whole_of_it_has_the_times_that_the_guide_promises(script) -> None:
    _, commands = script()
    pairs = [pair for one in commands for pair in pairwise(one)]
    budgets = [word for flag, word in pairs if flag == "--time-budget"]
    assert budgets == ["40s", "150s"]
    objectives = [one[one.index("--objective") + 1] for one in commands if "--objective" in one]
    assert objectives == ["reward", "ppo", "dpo", "grpo"]
