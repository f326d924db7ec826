"""``--verify-resume``: the promise of exact resumption, tried on the user's own machine."""

import json

import pytest

from gptcli.training.step import Stepper

WAYS = [
    ("--family", "gpt2", "--dropout", 0.2, "--grad-accum", 2),
    ("--family", "nanochat"),
    ("--family", "llama", "--precision", "bfloat16", "--deterministic", "--max-iters", 50),
]


@pytest.mark.parametrize("flags", WAYS, ids=["dropout", "muon", "deterministic"])
def test_a_resumed_run_is_exact(cli, prepared, tiny, flags) -> None:
    done = cli("train", *tiny, *flags, "--verify-resume", "--json")
    assert done.code == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["is_exact"]
    assert all(one["straight"] == one["resumed"] for one in document["files"].values())
    assert not (prepared / "runs").exists()


def test_one_that_is_not_is_found(cli, prepared, tiny, monkeypatch) -> None:
    """As if the dropout of a step depended on when the process began."""
    advance, n_steps = Stepper.advance, 0

    def forgetful(self, step: int) -> None:
        nonlocal n_steps
        n_steps += 1
        advance(self, n_steps)

    monkeypatch.setattr(Stepper, "advance", forgetful)
    done = cli("train", *tiny, "--verify-resume")
    assert done.code == 4
    assert "model.safetensors" in done.stderr


def test_it_writes_nothing_so_names_no_place(cli, prepared, tiny) -> None:
    done = cli("train", *tiny, "--verify-resume", "--out", "runs/x")
    assert done.code == 2
