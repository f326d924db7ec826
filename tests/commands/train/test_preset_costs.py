"""``train --list-presets`` and ``--preset``: the models by name."""

import csv
import json

import pytest

from gptcli.accounting.memory import training_memory
from gptcli.accounting.workload import Workload
from gptcli.families.registry import PRESETS
from gptcli.runtime.device import choose_precision
from gptcli.training.at_once import rows_at_once

PRECISION = choose_precision("auto", "cpu").value


def test_presets_are_listed_with_what_they_cost(cli) -> None:
    shown = cli("train", "--list-presets")
    assert shown.code == 0, shown.stderr
    lines = shown.stdout.splitlines()
    assert [line.split()[0] for line in lines[2:]] == list(PRESETS)
    gpt2 = next(line for line in lines if line.startswith("gpt2 "))
    assert "124.4M" in gpt2
    assert "480 x 1,024" in gpt2, "40 micro-batches of 12 rows are a step"
    speedrun = next(line for line in lines if line.startswith("speedrun "))
    assert speedrun.endswith(f"{PRESETS['speedrun'].measured.val_loss:.3f}")


def test_the_list_is_json_with_exact_numbers(cli) -> None:
    document = json.loads(cli("train", "--list-presets", "--json").stdout)
    assert document["schema"] == "gptcli.preset-costs/1"
    one = next(one for one in document["presets"] if one["preset"] == "gpt2-xl")
    assert one["params"] == 1_557_611_200
    model = PRESETS["gpt2-xl"].model
    rows = rows_at_once(one["batch_size"], model, "cpu")
    work = Workload(one["block_size"], rows, precision=PRECISION)
    assert one["training_bytes"] == training_memory(model, work).peak
    assert one["training_bytes"] > 12 * one["params"]
    assert one["seconds_per_1000"] > 0
    assert one["val_loss"] is None
    listed = {one["preset"]: one for one in document["presets"]}
    assert listed["speedrun"]["val_loss"] == PRESETS["speedrun"].measured.val_loss
    gpt2, rows = listed["gpt2"], listed["gpt2"]["batch_size"] * listed["gpt2"]["grad_accum"]
    assert rows == 480
    assert listed["gpt3"]["lr"] == 6e-5, "as in its paper"
    medium = listed["gpt2-medium"]  # without training values of its own
    assert gpt2["seconds_per_1000"] > medium["seconds_per_1000"]


def test_csv_has_the_exact_numbers_too(cli) -> None:
    rows = list(
        csv.DictReader(cli("train", "--list-presets", "--format", "csv").stdout.split("\n"))
    )
    assert [row["preset"] for row in rows] == list(PRESETS)
    assert all(float(row["seconds_per_1000"]) > 0 for row in rows)


@pytest.mark.parametrize("rung", [name for name in PRESETS if name.startswith("lecture-")])
def test_every_small_rung_trains_samples_and_is_counted(cli, prepared, rung) -> None:
    flags = ("--max-iters", 2, "--eval-interval", 2, "--eval-batches", 1)
    done = cli("train", "--preset", rung, *flags, "--out", "runs/rung")
    assert done.code == 0, done.stderr
    assert cli("sample", "runs/rung", "--max-new-tokens", 12).code == 0
    assert cli("count-params", "runs/rung").code == 0
