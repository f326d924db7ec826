"""The chapter's scorekeeping comes out to the last integer and reconciles with the exact count."""

import itertools
import json
from pathlib import Path

import pytest

from gptcli.accounting.parameters import count_totals
from gptcli.accounting.scorekeeping import chapter_rows, reconciliation, spoken_figures
from gptcli.families.registry import PRESETS

GPT3 = PRESETS["gpt3"].model


def test_gpt3_has_the_chapters_total() -> None:
    assert sum(row.params for row in chapter_rows(GPT3)) == 175_181_291_520


def test_rows_and_spoken_figures_are_the_references(shared: Path) -> None:
    text = (shared / "reference" / "param_counts.json").read_text(encoding="utf-8")
    expected = json.loads(text)["scorekeeping_gpt3"]
    assert {row.name: row.params for row in chapter_rows(GPT3)} == expected["rows"]
    spoken = {figure.value for figure in spoken_figures(GPT3)}
    assert spoken >= set(expected["spoken"].values())


def test_spoken_figures_of_gpt3() -> None:
    values = [figure.value for figure in spoken_figures(GPT3)]
    assert values == [1_572_864, 150_994_944, 6_291_456, 603_979_776, 57_982_058_496]


def test_reconciliation_of_gpt3_is_the_published_one() -> None:
    steps = [(step.change, step.total) for step in reconciliation(GPT3)]
    assert steps == [
        (0, 175_181_291_520),
        (25_165_824, 175_206_457_344),
        (10_616_832, 175_217_074_176),
        (4_743_168, 175_221_817_344),
        (-617_558_016, 174_604_259_328),
    ]


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_reconciles_step_by_step_with_its_exact_count(name: str) -> None:
    config = PRESETS[name].model
    steps = reconciliation(config)
    assert steps[0].total == sum(row.params for row in chapter_rows(config))
    for before, after in itertools.pairwise(steps):
        assert before.total + after.change == after.total
    assert steps[-1].total == count_totals(config).exact


@pytest.mark.parametrize("name", PRESETS)
def test_a_spoken_figure_is_the_product_of_its_factors(name: str) -> None:
    for figure in spoken_figures(PRESETS[name].model):
        product = 1
        for factor in figure.factors:
            product *= factor
        assert product == figure.value
