"""``eval --by position``, ``--compare``, exact matches, and all of it by two processes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file


def test_the_loss_by_position_is_plotted_and_listed(cli, trained: Path) -> None:
    document = json.loads(cli("eval", "--by", "position", "--json").stdout)
    whole = json.loads(cli("eval", "--json").stdout)
    positions = document["positions"]
    assert [one["seen"] for one in positions] == list(range(1, 17))
    assert sum(one["tokens"] for one in positions) == whole["tokens"]
    total = sum(one["loss"] * one["tokens"] for one in positions)
    assert total / whole["tokens"] == pytest.approx(whole["loss"])
    table = cli("eval", "--by", "position").stdout
    assert f"{positions[0]['loss']:.4f}" in table
    assert "9 to 16" in table
    assert "█" in table


def test_models_are_compared_on_the_same_tokens(cli, trained: Path, tiny) -> None:
    other = (*tiny[:6], "--block-size", 8, *tiny[8:])
    assert cli("train", *other, "--max-iters", 4, "--out", "runs/short").code == 0
    done = cli("eval", "runs/input", "--compare", "runs/short", "--compare", "runs/input", "--json")
    assert done.code == 0, done.stderr
    document = json.loads(done.stdout)
    first, short, same = document["models"]
    for model, directory in ((first, "runs/input"), (short, "runs/short")):
        alone = json.loads(cli("eval", directory, "--json").stdout)
        assert model["loss"] == pytest.approx(alone["loss"])
        assert model["bits_per_byte"] == pytest.approx(alone["bits_per_byte"])
    assert document["window"] == 16
    assert short["difference"] == pytest.approx(short["loss"] - first["loss"])
    assert short["standard_error"] > 0
    assert (same["difference"], same["standard_error"], first["difference"]) == (0, 0, None)
    table = cli("eval", "runs/input", "--compare", "runs/short").stdout
    assert f"{short['difference']:+.4f}" in table
    assert f"{short['standard_error']:.4f}" in table


def test_what_int8_loses_is_measured(cli, trained: Path) -> None:
    done = cli("eval", "--quantize", "int8", "--json")
    assert done.code == 0, done.stderr
    whole, coarse = json.loads(done.stdout)["models"]
    assert whole["loss"] == pytest.approx(json.loads(cli("eval", "--json").stdout)["loss"])
    assert coarse["model"].endswith("(int8)")
    assert 0 < abs(coarse["difference"]) < 0.01
    assert cli("eval", "--quantize", "int4").code == 2


def test_models_of_other_tokens_are_not_compared(cli, trained: Path, tiny) -> None:
    (trained / "other.txt").write_text("another alphabet\n" * 100)
    cli("prepare", "other.txt")
    assert cli("train", *tiny, "--max-iters", 2, "--data", "data/other").code == 0
    done = cli("eval", "runs/input", "--compare", "runs/other")
    assert done.code == 4
    assert "bits per byte" in done.stderr


def test_arithmetic_is_scored_by_operation(cli, masked_dataset, tiny) -> None:
    pairs = [(f"{a}{sign}{b}=", "1\n") for sign in "+*" for a in range(9) for b in range(9)]
    masked_dataset(pairs, pairs[::5])
    assert cli("train", *tiny, "--max-iters", 60, "--lr", 0.02).code == 0
    found = json.loads(cli("eval", "--json").stdout)["exact_match"]
    everything = {"share": 1.0, "correct": len(pairs[::5]), "problems": len(pairs[::5])}
    assert found["all"] == everything
    assert set(found) == {"all", "+", "*"}
    table = cli("eval").stdout
    assert f"exact match         100.00% ({len(pairs[::5])} of {len(pairs[::5])} problems" in table
    assert "of *" in table


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="gloo on the loopback")
def test_two_processes_give_every_digit_of_one(cli, trained: Path) -> None:
    single = [sys.executable, "-m"]
    double = [*single, "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    for flags in (["--stride", "5"], ["--by", "position"]):  # 4 and 2 batches
        one, two = (_run([*start, "gptcli", "eval", "--split", "train", *flags, "--json"], trained)
                    for start in (single, double))  # fmt: skip
        assert one == two
        assert json.loads(one)["stride"] in (5, 16)


def _run(command: list[str], folder: Path) -> str:
    env = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    done = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_damaged_model_has_no_figures(cli, trained: Path) -> None:
    shutil.copytree("runs/input", "runs/damaged")
    weights = load_file("runs/damaged/model.safetensors")
    weights["transformer.ln_f.weight"].fill_(float("nan"))
    save_file(weights, "runs/damaged/model.safetensors", {"format": "pt"})
    for flags in (("--compare", "runs/input"), ("--per-token",), ("--by", "position"), ()):
        done = cli("eval", "runs/damaged", *flags)
        assert (done.code, done.stderr.count("damaged, use an earlier")) == (4, 1), done.stderr
    assert cli("eval", "runs/input", "--compare", "runs/damaged").code == 4


def test_what_one_process_does_is_refused_to_several(cli, trained: Path, monkeypatch) -> None:
    given = {"RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
    for name, value in {**given, "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    for flags in (("--per-token",), ("--verify",), ("--tasks", "some.yaml")):
        done = cli("eval", *flags)
        assert (done.code, done.stdout) == (2, "")
        assert "a single process" in done.stderr
