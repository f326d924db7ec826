"""Counted rows are held against the model that torch builds, and a wrong one is found."""

from dataclasses import replace

import pytest
from hypothesis import given, settings

from gptcli.accounting.parameters import Row, parameter_rows
from gptcli.config.model import ModelConfig
from gptcli.families.registry import PRESETS
from gptcli.inspection.built import built_rows, disagreements


@pytest.mark.parametrize("name", PRESETS)
def test_every_row_of_every_preset_is_built_as_it_is_counted(name: str) -> None:
    config = PRESETS[name].model
    assert disagreements(config, parameter_rows(config)) == []


def test_every_row_of_any_model_is_built_as_it_is_counted(any_model) -> None:
    @settings(deadline=None, max_examples=100)
    @given(config=any_model)
    def check(config: ModelConfig) -> None:
        assert disagreements(config, parameter_rows(config)) == []

    check()


def test_a_built_query_is_that_of_a_head() -> None:
    rows = {row.name: row for row in built_rows(PRESETS["llama3-8b"].model)}
    assert rows["query"] == Row("query", (128, 4096), 1024)
    assert rows["key"] == Row("key", (128, 4096), 256)


def test_a_wrong_a_missing_and_an_invented_row_are_found() -> None:
    config = PRESETS["lecture"].model
    rows = parameter_rows(config)
    wrong = tuple(replace(row, copies=7) if row.name == "key" else row for row in rows)
    (found,) = disagreements(config, wrong)
    assert (found.name, found.counted, found.built) == (
        "key", Row("key", (64, 384), 7), Row("key", (64, 384), 36),
    )  # fmt: skip
    (missing,) = disagreements(config, rows[:-1])
    assert (missing.name, missing.counted) == ("unembedding_bias", None)
    (invented,) = disagreements(config, (*rows, Row("gate", (3,), 1)))
    assert (invented.name, invented.built) == ("gate", None)
