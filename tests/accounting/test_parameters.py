"""The count from a configuration equals the published figures and the model that is built."""

import json
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig

from gptcli.accounting.kv_cache import kv_cache_bytes_per_token
from gptcli.accounting.parameters import Row, count_totals, exact_count, parameter_rows
from gptcli.checkpoint.config_json import model_config_json, read_model_config
from gptcli.config.model import ModelConfig
from gptcli.families.registry import FAMILIES, PRESETS, TRAINABLE, model_type_of
from gptcli.model.gpt import GPT

PUBLISHED = {
    "gpt2": 124_439_808,
    "gpt2-medium": 354_823_168,
    "gpt2-large": 774_030_080,
    "gpt2-xl": 1_557_611_200,
    "gpt3": 174_604_259_328,
    "lecture": 10_788_929,
}


@st.composite
def members(draw: st.DrawFn, family: str) -> ModelConfig:
    """A small model of a family that transformers can build."""
    n_head = draw(st.sampled_from([1, 2, 4]))
    row = FAMILIES[family]
    choices = {
        "n_kv_head": st.sampled_from([1, n_head]),
        "head_dim": st.sampled_from([None, 2, 10]),
        "n_inner": st.integers(1, 30),
        "tied": st.booleans(),
    }
    free = {name: draw(values) for name, values in choices.items() if row.may_choose(name)}
    return ModelConfig(
        n_layer=draw(st.integers(1, 9)),
        n_head=n_head,
        n_embd=n_head * draw(st.sampled_from([2, 4, 8])),
        block_size=draw(st.integers(1, 12)),
        vocab_size=draw(st.integers(1, 12)),
        **{**row.switches, **free},
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


def test_every_modern_preset_of_the_reference_agrees(shared: Path) -> None:
    for name, expected in reference(shared)["modern_presets"].items():
        config = PRESETS[name].model
        sizes = (config.key_value_heads, config.head_size, config.inner_size, config.vocab_size)
        keys = ("n_kv_head", "d_head", "d_ff", "vocab_size")
        assert sizes == tuple(expected[key] for key in keys), name
        assert exact_count(config) == expected["params"], name
        assert (model_type_of(config), config.tied) == (expected["family"], expected["tied"]), name
        cache = kv_cache_bytes_per_token(config)
        assert cache == expected["kv_cache_bytes_per_token_bf16"], name


def test_rows_sum_to_the_parameters_of_the_built_model(any_model) -> None:
    @settings(deadline=None, max_examples=150)
    @given(config=any_model)
    def check(config: ModelConfig) -> None:
        with torch.device("meta"):
            model = GPT(config)
        assert exact_count(config) == sum(p.numel() for p in model.parameters())
        assert all(row.copies for row in parameter_rows(config) if row.name != "unembedding")
        assert list(model.buffers()) == []

    check()


def on_meta(build: Callable[[], torch.nn.Module]) -> int:
    with torch.device("meta"):
        model = build()
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("family", TRAINABLE)
def test_one_config_json_has_one_count_here_in_torch_and_in_transformers(family: str) -> None:
    def theirs(config: PretrainedConfig) -> torch.nn.Module:
        model = AutoModelForCausalLM.from_config(config)
        model.tie_weights()
        return model

    @settings(deadline=None, max_examples=25)
    @given(config=members(family))
    def check(config: ModelConfig) -> None:
        written = AutoConfig.for_model(**model_config_json(config))
        with tempfile.TemporaryDirectory() as folder:
            written.save_pretrained(folder)  # config.json as transformers has it
            read = read_model_config(Path(folder))
        assert exact_count(read) == exact_count(config)
        assert exact_count(read) == on_meta(lambda: GPT(read))
        assert exact_count(read) == on_meta(lambda: theirs(written))

    check()


def test_totals_follow_from_one_another(any_model) -> None:
    @settings(deadline=None)
    @given(config=any_model)
    def check(config: ModelConfig) -> None:
        totals = count_totals(config)
        rows = {row.name: row.params for row in parameter_rows(replace(config, tied=False))}
        has_logits = config.lm_head and not config.score
        heads = has_logits * config.vocab_size * config.n_embd
        assert totals.exact == exact_count(config)
        assert totals.untied - totals.tied == heads
        outside = ("token_embedding", "position_embedding", "unembedding", "unembedding_bias")
        assert totals.non_embedding == sum(n for name, n in rows.items() if name not in outside)
        with torch.device("meta"):
            model = GPT(replace(config, tied=False))
        matrices = sum(p.numel() for p in model.parameters() if p.dim() == 2)
        positions = rows.get("position_embedding", 0)
        assert totals.weights_only == matrices - positions

    check()
