"""The recipes in examples/many_machines give the dataset of one process."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

RECIPES = Path(__file__).parents[1] / "examples" / "many_machines"

# What SLURM does with an array: the script once per task, whose number is in the environment.
_SBATCH = """#!{python}
import os, re, subprocess, sys
words = sys.argv[1:]
array = next((w for w in words if w.startswith("--array=")), None)
if array is None:
    sys.exit(subprocess.call(words[words.index("--wrap") + 1], shell=True))
low, high = map(int, array.split("=")[1].split("-"))
command = words[next(i for i, w in enumerate(words) if not w.startswith("--")):]
for task in reversed(range(low, high + 1)):
    names = dict(ID=task, MIN=low, MAX=high, STEP=1)
    env = {{f"SLURM_ARRAY_TASK_{{name}}": str(value) for name, value in names.items()}}
    subprocess.run(["bash", *command], check=True, env=os.environ | env, stdout=sys.stderr)
print("4711;cluster")
"""


@pytest.fixture
def folder(tmp_path: Path, prepare_string) -> Path:
    """A corpus, its dataset, and a PATH on which ``gptcli`` is this one."""
    (tmp_path / "texts").mkdir()
    for number in range(3):
        text = f"text {number}: " + "words and words. " * 99
        (tmp_path / "texts" / f"{number}.txt").write_text(text)
    commands = tmp_path / "bin"
    commands.mkdir()
    _script(commands / "gptcli", f'#!/bin/sh\nexec "{sys.executable}" -m gptcli "$@"\n')
    _script(commands / "sbatch", _SBATCH.format(python=sys.executable))
    _run(tmp_path, "gptcli", "prepare", "texts", "--out", "data/alone")
    return tmp_path


def _script(path: Path, content: str) -> None:
    path.write_text(content)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def _run(folder: Path, *command: str, **env: str) -> None:
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path, **env},
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()


def _shards(directory: Path) -> dict[str, bytes]:
    files = [*directory.rglob("*.bin"), directory / "tokenizer.json"]
    return {str(file.relative_to(directory)): file.read_bytes() for file in files}


@pytest.mark.skipif(os.name == "nt", reason="a shell script")
def test_slurm_array(folder):
    _run(folder, "bash", str(RECIPES / "slurm.sh"), "data/big", "texts", TASKS="2")
    assert _shards(folder / "data" / "big") == _shards(folder / "data" / "alone")


@pytest.mark.skipif(shutil.which("parallel") is None, reason="GNU parallel is not installed")
def test_gnu_parallel(folder):
    _run(folder, "sh", str(RECIPES / "parallel.sh"), "data/big", "texts", TASKS="2")
    assert _shards(folder / "data" / "big") == _shards(folder / "data" / "alone")


@pytest.mark.slow
def test_ray_with_two_workers(folder):
    pytest.importorskip("ray")
    command = [sys.executable, str(RECIPES / "on_ray.py"), "--out", "data/big", "--shares", "2"]
    _run(folder, *command, "texts", RAY_USAGE_STATS_ENABLED="0", RAY_ENABLE_UV_RUN_RUNTIME_ENV="0")
    assert _shards(folder / "data" / "big") == _shards(folder / "data" / "alone")
