"""A run that diverges keeps its last step, and ``--replay`` repeats it."""

import json


def test_a_diverged_step_is_kept_and_repeated(cli, prepared, tiny) -> None:
    wild = ("--family", "gpt2", "--lr", 1e30, "--warmup-iters", 0, "--grad-clip", 0)
    done = cli("train", *tiny, *wild, "--max-iters", 20, "--out", "runs/wild")
    assert done.code == 6
    assert "gptcli train --replay runs/wild/blackbox" in done.stderr
    shown = cli("train", "--replay", "runs/wild/blackbox", "--json")
    assert shown.code == 0, shown.stderr
    document = json.loads(shown.stdout)
    assert document["step"] >= 1
    assert document["loss"] is None
    assert any(part["not_finite"] for part in document["parts"])
    table = cli("train", "--replay", "runs/wild/blackbox")
    assert "block 0" in table.stdout
    again = cli("train", *tiny, "--max-iters", 2, "--out", "runs/wild", "--overwrite")
    assert again.code == 0, again.stderr


def test_what_is_no_blackbox_is_refused(cli, trained) -> None:
    done = cli("train", "--replay", "runs/input")
    assert done.code == 4
    assert "name RUN/blackbox" in done.stderr
    other = cli("train", "--replay", "runs/input", "--max-iters", 3)
    assert other.code == 2
