"""``train --dry-run`` says what a run takes, refuses what it would refuse, writes nothing."""

import json
from contextlib import nullcontext
from pathlib import Path

import pytest

from gptcli.runtime.world import World


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(autouse=True)
def quick(monkeypatch) -> None:
    monkeypatch.setattr("gptcli.training.estimate._LEAST_SECONDS", 0.0)


def test_a_run_is_described_and_not_begun(cli, prepared: Path, tiny) -> None:
    before = files(prepared)
    done = cli("train", *tiny, "--max-iters", 30, "--grad-accum", 3, "--dry-run", "--json")
    assert done.code == 0, done.stderr
    assert "nothing was written" in done.stderr
    assert files(prepared) == before
    assert not (prepared / "runs").exists()
    document = json.loads(done.stdout)
    assert document["schema"] == "gptcli.preflight/1"
    assert document["run"] == "runs/input"
    assert document["tokens_per_iteration"] == 3 * 4 * 16
    assert document["iterations"] == 30
    memory = document["memory"]
    assert memory["weights"] == memory["gradients"] == 4 * document["parameters"]
    assert memory["peak"] < memory["free"]
    assert cli("train", *tiny, "--max-iters", 2).code == 0
    begun = json.loads((prepared / "runs/input/train.json").read_text())
    assert begun["training"]["precision"] == document["precision"]


def test_a_table_has_the_parts_and_a_resumed_run_what_is_left(cli, trained: Path) -> None:
    before = files(trained)
    done = cli("train", "--resume", "runs/input", "--max-iters", 50, "--dry-run")
    assert done.code == 0, done.stderr
    assert "50, 20 are done" in done.stdout
    assert "optimizer state" in done.stdout
    assert files(trained) == before


def test_of_a_time_the_steps_that_fit_are_told(cli, prepared: Path, tiny) -> None:
    flags = ("--time-budget", "1h", "--dry-run", "--json", "--compile", "off")
    document = json.loads(cli("train", "--preset", "lecture-head", *flags).stdout)
    assert document["seconds"] == 3600
    assert document["iterations"] > 10_000
    document = json.loads(cli("train", *tiny, *flags).stdout)  # the text is learnt before
    assert document["seconds"] < 3600
    assert document["epochs"] == pytest.approx(12, abs=0.1)
    assert not (prepared / "runs").exists()


def test_what_a_run_would_refuse_is_refused(cli, trained: Path, tiny) -> None:
    before = files(trained)
    assert cli("train", *tiny, "--out", "runs/input", "--dry-run").code == 2
    large = ("--n-layer", 48, "--n-head", 64, "--n-embd", 65536, "--block-size", 16)
    for dry in ((), ("--dry-run",)):
        done = cli("train", *large, "--out", "runs/input", "--overwrite", *dry)
        assert done.code == 7
        assert "choose a smaller --n-layer or --n-embd" in done.stderr
    assert files(trained) == before


def test_the_batch_that_is_named_works_when_typed(cli, prepared, tiny, monkeypatch) -> None:
    free = 480 * 10**6
    monkeypatch.setattr("gptcli.runtime.device.free_host_memory", lambda: free)
    flags = ("train", *tiny[:-4], "--precision", "float32", "--dropout", 0.1, "--max-iters", 1)
    refused = cli(*flags, "--batch-size", 4096)
    assert refused.code == 7, refused.stderr
    advice = refused.stderr.rsplit("try ", 1)[1].split()
    assert advice[0] == "--batch-size"
    assert cli(*flags, *advice, "--dry-run").code == 0


def test_of_a_model_in_parts_the_memory_of_each_process_is_told(
    cli, prepared: Path, tiny, monkeypatch
) -> None:
    tiny = (*tiny, "--max-iters", 9, "--optimizer", "adamw")
    whole = json.loads(cli("train", *tiny, "--dry-run", "--json").stdout)
    here = "gptcli.commands.train.run.joined"
    monkeypatch.setattr(here, lambda kind: nullcontext(World(0, 4)))
    document = json.loads(cli("train", *tiny, "--fsdp", "--dry-run", "--json").stdout)
    assert document["seconds"] is None
    for name in ("weights", "gradients", "optimizer"):
        assert document["memory"][name] == -(-whole["memory"][name] // 4)
    assert document["memory"]["gathered"] == whole["memory"]["weights"]
    assert cli("train", *tiny, "--fsdp", "--dry-run").stdout.count("weights of all") == 1
    monkeypatch.setattr(here, lambda kind: nullcontext(World(1, 4)))
    other = cli("train", *tiny, "--fsdp", "--dry-run")
    assert (other.code, other.stdout) == (0, "")
