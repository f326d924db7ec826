"""The count from a configuration equals the published figures and the model that is built."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gptcli.accounting.parameters import Row, count_totals, exact_count, parameter_rows
from gptcli.config.model import ModelConfig
from gptcli.config.presets import PRESETS
from gptcli.model.gpt import GPT

SIZE = st.integers(1, 12)
SWITCH = st.booleans()
PUBLISHED = {
    "gpt2": 124_439_808,
    "gpt2-medium": 354_823_168,
    "gpt2-large": 774_030_080,
    "gpt2-xl": 1_557_611_200,
    "gpt3": 174_604_259_328,
    "lecture": 10_788_929,
}


@st.composite
def configs(draw: st.DrawFn) -> ModelConfig:
    n_head = draw(SIZE)
    return ModelConfig(
        n_layer=draw(SIZE),
        n_head=n_head,
        n_embd=n_head * draw(SIZE),
        block_size=draw(SIZE),
        vocab_size=draw(SIZE),
        bias=draw(SWITCH),
        qkv_bias=draw(SWITCH),
        lm_head_bias=draw(SWITCH),
        tied=draw(SWITCH),
    )


def reference(shared: Path) -> dict:
    return json.loads((shared / "reference" / "param_counts.json").read_text(encoding="utf-8"))


def grouped(config: ModelConfig) -> dict[str, int]:
    """Row sums under the names of the reference."""
    groups = {
        "query_bias": "attention_biases",
        "key_bias": "attention_biases",
        "value_bias": "attention_biases",
        "output_bias": "attention_biases",
        "up_bias": "mlp_biases",
        "down_bias": "mlp_biases",
    }
    sums: dict[str, int] = {}
    for row in parameter_rows(config):
        name = "layer_norms" if "norm" in row.name else groups.get(row.name, row.name)
        sums[name] = sums.get(name, 0) + row.params
    return sums


@pytest.mark.parametrize(("preset", "params"), PUBLISHED.items())
def test_published_totals_come_out_exactly(preset: str, params: int) -> None:
    assert exact_count(PRESETS[preset].model) == params


def test_every_preset_of_the_reference_agrees_row_by_row(shared: Path) -> None:
    for name, expected in reference(shared)["presets"].items():
        config = PRESETS[name].model
        totals = count_totals(config)
        assert grouped(config) == expected["parts_tied"], name
        assert (config.head_size, config.block_size) == (expected["d_head"], expected["block_size"])
        assert totals.exact == totals.tied == expected["tied"], name
        assert totals.untied == expected["untied"], name
        assert totals.weights_only == expected["weights_only_untied"], name


def test_the_lecture_agrees_row_by_row(shared: Path) -> None:
    expected = reference(shared)["lecture"]
    config = PRESETS["lecture"].model
    rows = {row.name: row.params for row in parameter_rows(config)}
    rows["query_key_value"] = rows.pop("query") + rows.pop("key") + rows.pop("value")
    norms = [name for name in rows if "norm" in name]
    rows["layer_norms"] = sum(rows.pop(name) for name in norms)
    assert rows == expected["rows"]
    assert exact_count(config) == expected["total"]


def test_a_query_is_counted_a_head_at_a_time() -> None:
    rows = {row.name: row for row in parameter_rows(PRESETS["gpt3"].model)}
    assert rows["query"] == Row("query", (128, 12288), 9216)
    assert rows["query"].params == 14_495_514_624


@settings(deadline=None, max_examples=60)
@given(configs())
def test_rows_sum_to_the_parameters_of_the_built_model(config: ModelConfig) -> None:
    with torch.device("meta"):
        model = GPT(config)
    assert exact_count(config) == sum(p.numel() for p in model.parameters())
    assert list(model.buffers()) == []


@settings(deadline=None, max_examples=20)
@given(configs())
def test_rows_sum_to_the_parameters_of_transformers_model(config: ModelConfig) -> None:
    transformers = pytest.importorskip("transformers")
    config = replace(config, bias=True, qkv_bias=True, lm_head_bias=False)
    theirs = transformers.GPT2Config(
        n_layer=config.n_layer,
        n_head=config.n_head,
        n_embd=config.n_embd,
        n_positions=config.block_size,
        vocab_size=config.vocab_size,
        tie_word_embeddings=config.tied,
        bos_token_id=None,
        eos_token_id=None,
    )
    with torch.device("meta"):
        model = transformers.GPT2LMHeadModel(theirs)
        model.tie_weights()
    assert exact_count(config) == sum(p.numel() for p in model.parameters())


@given(configs())
def test_totals_follow_from_one_another(config: ModelConfig) -> None:
    totals = count_totals(config)
    rows = {row.name: row.params for row in parameter_rows(replace(config, tied=False))}
    assert totals.exact == exact_count(config)
    assert totals.untied - totals.tied == config.vocab_size * config.n_embd
    per_block = 12 * config.n_embd**2 * config.n_layer
    assert totals.weights_only == per_block + 2 * config.vocab_size * config.n_embd
    outside = ("token_embedding", "position_embedding", "unembedding", "unembedding_bias")
    assert totals.non_embedding == sum(n for name, n in rows.items() if name not in outside)
