"""``train --time-budget``, ``--optimizer``, ``--schedule``, ``--patience`` as they are typed."""

import json
import shlex
import shutil
import time
from pathlib import Path

import pytest

MUON = ("--family", "nanochat", "--n-layer", 1, "--n-head", 2, "--n-embd", 16, "--block-size", 16)


@pytest.fixture
def prepared(cli, tmp_path: Path) -> Path:
    (tmp_path / "input.txt").write_text("to be, or not to be, that is the question\n" * 60)
    assert cli("prepare", "input.txt").code == 0
    return tmp_path


def record(run: Path) -> dict:
    return json.loads((run / "train.json").read_text())


def test_a_time_is_kept_and_the_plan_is_stored(cli, prepared: Path, monkeypatch) -> None:
    # The process of the tests began long ago.
    monkeypatch.setattr("gptcli.commands.train.run.process_began", time.monotonic)
    began = time.monotonic()
    done = cli("train", *MUON, "--time-budget", "5s", "--compile", "off")
    took = time.monotonic() - began
    assert done.code == 0, done.stderr
    run = prepared / "runs" / "input"
    stored = record(run)
    assert stored["time_budget"] == 5
    steps = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])["step"]
    assert steps == stored["training"]["max_iters"]
    assert took < 7  # 5 s and a little, also where the machine is busy with other tests
    if stored["repeat"] is None:  # so busy that the decay was cut short
        assert "no number of steps repeats this run" in done.stderr
    else:
        assert stored["repeat"].startswith(f"gptcli train --data data/input --max-iters {steps} ")
    assert cli("train", "--resume", "runs/input", "--max-iters", steps + 2).code == 0


def test_the_command_that_is_printed_trains_the_same_weights(cli, prepared, monkeypatch) -> None:
    monkeypatch.setattr("gptcli.training.recipe._FEWEST_STEPS", 1)  # a short text ends the run
    timed = cli("train", *MUON, "--batch-size", 64, "--time-budget", "1h", "--compile", "off")
    assert timed.code == 0, timed.stderr
    stored = record(prepared / "runs" / "input")
    steps, command = stored["training"]["max_iters"], stored["repeat"]
    assert f"the text is small: {steps} steps = 12 epochs are enough" in timed.stderr
    assert f"the same again: {command}\n" in timed.stderr
    assert command.startswith(f"gptcli train --data data/input --max-iters {steps} ")
    assert "--family" not in command  # what plain train chooses is left out
    assert cli(*shlex.split(command)[1:]).code == 0
    last = Path("resume", f"step-{steps:08}")
    for file in ("model.safetensors", "optimizer.safetensors"):
        again, before = (prepared / "runs" / one / last / file for one in ("input-2", "input"))
        assert again.read_bytes() == before.read_bytes()
    assert record(prepared / "runs" / "input-2")["repeat"] is None
    assert "the same again" in cli("train", "--resume", "runs/input").stderr
    grown = cli("train", "--resume", "runs/input", "--max-iters", steps + 2)
    assert grown.code == 0, grown.stderr
    assert "the same again" not in grown.stderr
    assert record(prepared / "runs" / "input")["repeat"] is None


def test_a_resumed_run_ends_with_the_weights_of_one_that_was_not_stopped(cli, prepared) -> None:
    length = ("--max-iters", 12, "--eval-interval", 4, "--compile", "off")
    assert cli("train", *MUON, *length, "--out", "whole").code == 0
    assert cli("train", *MUON, *length, "--out", "half").code == 0
    last = Path("resume", "step-00000012")
    shutil.rmtree(prepared / "half" / last)
    assert cli("train", "--resume", "half").code == 0
    for file in ("model.safetensors", "optimizer.safetensors"):
        whole, again = (prepared / run / last / file for run in ("whole", "half"))
        assert again.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("--time-budget 10m --max-iters 5", "--time-budget and --max-iters"),
        ("--time-budget soon", "is not a duration: try 90s, 10m or 2h"),
        ("--time-budget 0.001s", "too short"),
        ("--time-budget 1e9h", "is not a duration"),
        ("--time-budget 0s", "is not a duration"),
        ("--time-budget -5m", "is not a duration"),
        ("--time-budget NaN", "is not a duration"),
        ("--time-budget 9000h", "is longer than a year"),
        ("--compile yes", "--compile yes is unknown"),
        ("--optimizer adam", "--optimizer adam is unknown (did you mean adamw?)"),
        ("--optimizer mounn", "did you mean muon?"),
        ("--schedule cosin", "--schedule cosin is unknown (did you mean cosine?)"),
        ("--decay-fraction 0", "--decay-fraction must be greater than 0"),
        ("--decay-fraction nan", "--decay-fraction must be a finite number"),
        ("--embedding-lr nan", "--embedding-lr must be a finite number"),
        ("--decay-fraction 2", "--decay-fraction 2 is above 1"),
        ("--family gpt2 --head-lr 0.1", "has no parameters of the group head"),
        ("--family nanochat --vector-lr 0.1", "has no parameters of the group vector"),
        ("--patience 0", "--patience"),
        ("--time-budget 0.001s --compile off --dry-run", "too short"),
        ("--family gpt2 --momentum 0.9", "with --optimizer adamw: leave it out, or give --opt"),
        ("--schedule cosine --decay-fraction 0.5", "has no effect with --schedule cosine"),
        ("--schedule constant --min-lr 1e-4", "has no effect with --schedule constant"),
        ("--grad-accum 10000000", "--grad-accum must be at most 1,000,000"),
    ],
)
def test_a_wrong_value_is_named_and_nothing_is_left(cli, prepared, flags: str, words: str) -> None:
    done = cli("train", *shlex.split(flags))
    assert done.code == 2
    assert words in done.stderr
    assert not (prepared / "runs").exists() or not list((prepared / "runs").iterdir())


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_rate_that_is_far_too_high_is_exit_6_with_one_that_works(
    cli, prepared: Path, optimizer: str
) -> None:
    length = ("--max-iters", 9, "--eval-interval", 9, "--compile", "off")
    done = cli("train", *MUON, *length, "--optimizer", optimizer, "--lr", "1e30")
    assert done.code == 6
    assert "training diverged at step 1 " in done.stderr
    assert "Try --lr 0.001 or" in done.stderr
    kept = prepared / "runs" / "input"
    assert [step.name for step in (kept / "resume").iterdir()] == ["step-00000000"]
    assert cli("train", *MUON, *length, "--optimizer", optimizer, "--lr", "0.001").code == 0


def test_without_a_compiler_asking_for_it_is_refused_and_replaces_nothing(
    cli, prepared: Path, monkeypatch
) -> None:
    length = ("--max-iters", 1, "--out", "mine")
    assert cli("train", *MUON, *length).code == 0
    before = (prepared / "mine" / "model.safetensors").read_bytes()
    monkeypatch.setenv("PATH", str(prepared))
    monkeypatch.delenv("CXX", raising=False)
    done = cli("train", *MUON, *length, "--seed", 2, "--overwrite", "--compile", "on")
    assert done.code == 5
    assert "there is no C++ compiler, which --compile needs: install g++" in done.stderr
    assert (prepared / "mine" / "model.safetensors").read_bytes() == before


def test_muon_without_matrices_is_adamw(cli, prepared: Path) -> None:
    flags = ("--preset", "lecture-bigram", "--max-iters", 2)
    assert cli("train", *flags, "--optimizer", "muon", "--lr", 0.01, "--out", "a").code == 0
    assert record(prepared / "a")["training"]["optimizer"] == "muon"
    assert cli("train", "--resume", "a", "--max-iters", 3).code == 0


def test_a_text_of_characters_is_taught_by_its_ngrams(cli, prepared: Path) -> None:
    cli("train", "--max-iters", "2", "--n-layer", "1", "--out", "runs/taught")
    cli("train", "--max-iters", "2", "--n-layer", "1", "--ngram-teacher", "0", "--out", "runs/not")
    cli("train", "--max-iters", "2", "--n-layer", "1", "--family", "gpt2", "--out", "runs/classic")
    shares = [
        record(prepared / "runs" / name)["training"]["ngram_teacher"]
        for name in ("taught", "not", "classic")
    ]
    assert shares == [0.7, 0.0, 0.0]
