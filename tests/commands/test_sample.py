"""``sample``: text that can be had again, and what is refused."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


def test_sample_streams_the_prompt_and_is_repeatable(cli, trained: Path) -> None:
    first = cli("sample", "--prompt", "LINE 7:", "--max-new-tokens", 40)
    assert first.code == 0
    assert first.stdout.startswith("LINE 7:")
    assert len(first.stdout) == len("LINE 7:") + 40 + 1
    assert first.stdout == cli("sample", "--prompt", "LINE 7:", "--max-new-tokens", 40).stdout
    other = cli("sample", "--prompt", "LINE 7:", "--max-new-tokens", 40, "--seed", 2)
    assert other.stdout != first.stdout
    assert first.stderr.count("window") == 1


def test_sample_writes_a_file_once(cli, trained: Path) -> None:
    flags = ("sample", "--prompt", "the", "--max-new-tokens", 30, "--out", "more.txt")
    assert cli(*flags).code == 0
    text = (trained / "more.txt").read_text()
    assert text.startswith("the")
    assert len(text) == 3 + 30 + 1
    assert cli(*flags).code == 2
    assert cli(*flags, "--overwrite").code == 0


def test_several_samples_differ_and_the_first_is_the_single_one(cli, trained: Path) -> None:
    flags = ("sample", "--prompt", "the", "--max-new-tokens", 20)
    single = cli(*flags).stdout.rstrip("\n")
    document = json.loads(cli(*flags, "--num-samples", 3, "--json").stdout)
    texts = [one["text"] for one in document["samples"]]
    assert texts[0].rstrip("\n") == single
    assert len(set(texts)) == 3


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (("--prompt", "schön"), 2, ("ö", "U+00F6")),
        (("--temperature", -1), 2, ("--temperature -1",)),
        (("--temperature", "nan"), 2, ("--temperature",)),
        (("--top-k", 0), 2, ("--top-k 0",)),
        (("runs/inptu",), 2, ("runs/inptu", "runs/input")),
        (("data/input",), 2, ("config.json",)),
    ],
)
def test_wrong_sampling_is_one_clear_line(cli, trained, flags, code, words) -> None:
    done = cli("sample", *flags)
    assert done.code == code, done.stderr
    assert all(word in done.stderr for word in words), done.stderr
    assert done.stdout == ""


def test_a_corrupt_checkpoint_is_refused(cli, trained: Path) -> None:
    weights = trained / "runs/input/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    for command in ("sample", "eval"):
        done = cli(command)
        assert done.code == 4
        assert "model.safetensors" in done.stderr


def test_a_closed_pipe_is_quiet(trained: Path) -> None:
    done = subprocess.run(
        f"{sys.executable} -m gptcli sample -q -n 3000 | head -c 10; echo ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        cwd=trained,
        capture_output=True,
        check=False,
    )
    assert done.stdout.decode().rstrip().endswith("141")
    assert done.stderr == b""


@pytest.mark.parametrize("command", ["sample", "eval", "count-params"])
def test_a_full_device_is_exit_5(run_gptcli, trained: Path, command: str) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    argv = [command, "--preset", "gpt2"] if command == "count-params" else [command]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "gptcli", *argv],
            cwd=trained,
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 5
    assert "No space left" in done.stderr.decode()
