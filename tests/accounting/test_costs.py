"""FLOPs, cache and attention pattern are the reference's integers and what torch counts."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig, AutoModelForCausalLM

from gptcli.accounting.flops import sequence_flops
from gptcli.accounting.kv_cache import attention_pattern, kv_cache_bytes_per_token
from gptcli.checkpoint.config_json import model_config_json
from gptcli.config.model import ModelConfig
from gptcli.families.registry import FAMILIES, PRESETS, TRAINABLE
from gptcli.model.cache import KeyValueCache

TINY = ModelConfig(n_layer=3, n_head=2, n_embd=8, block_size=16, vocab_size=11)


def reference(shared: Path) -> dict:
    return json.loads((shared / "reference" / "param_counts.json").read_text(encoding="utf-8"))


def test_flops_of_gpt2_are_the_published_ones() -> None:
    flops = sequence_flops(PRESETS["gpt2"].model, 1024)
    assert flops.forward_full == 291_648_307_200
    assert flops.forward_causal == 272_339_828_736
    assert flops.training_full == 874_944_921_600


def test_flops_of_the_reference(shared: Path) -> None:
    for name, expected in reference(shared)["flops_per_sequence"].items():
        if name == "formula":
            continue
        flops = sequence_flops(PRESETS[name].model, expected.pop("block"))
        assert {key: getattr(flops, key) for key in expected} == expected, name


def test_causal_and_full_agree_on_one_token_and_part_by_the_upper_triangle() -> None:
    one = sequence_flops(TINY, 1)
    assert one.forward_causal == one.forward_full
    sixteen = sequence_flops(TINY, 16)
    upper = 16 * 15 // 2
    assert sixteen.forward_full - sixteen.forward_causal == 4 * upper * 8 * 3
    assert sixteen.training_causal == 3 * sixteen.forward_causal


def test_cache_and_pattern_of_gpt3() -> None:
    config = PRESETS["gpt3"].model
    assert kv_cache_bytes_per_token(config) == 4_718_592
    pattern = attention_pattern(config, 2048)
    assert (pattern.per_head, pattern.all_heads) == (4_194_304, 38_654_705_664)
    assert pattern.n_bytes == 77_309_411_328


def test_cache_and_pattern_of_the_reference(shared: Path) -> None:
    expected = reference(shared)
    for name, n_bytes in expected["kv_cache_bytes_per_token_fp16"].items():
        assert kv_cache_bytes_per_token(PRESETS[name].model) == n_bytes, name
    pattern = attention_pattern(PRESETS["gpt3"].model, 2048)
    theirs = expected["attention_pattern"]["gpt3_block_2048"]
    assert pattern.per_head == theirs["per_head"]
    assert pattern.all_heads == theirs["all_heads"]
    assert pattern.n_bytes == theirs["fp16_bytes"]


def test_cache_bytes_are_those_that_generation_allocates(any_model) -> None:
    @settings(deadline=None, max_examples=50)
    @given(config=any_model)
    def check(config: ModelConfig) -> None:
        cache = KeyValueCache(config, 1, torch.device("cpu"), torch.float32)
        held = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)
        assert held == config.block_size * kv_cache_bytes_per_token(config, bytes_per_value=4)

    check()


@pytest.mark.parametrize("family", TRAINABLE)
@pytest.mark.parametrize("context", [1, 7, 16])
def test_full_forward_flops_are_those_that_torch_counts_in_explicit_attention(
    family: str, context: int
) -> None:
    row = FAMILIES[family]
    more = {"n_kv_head": 1, "n_inner": 20} if row.may_choose("n_kv_head") else {}
    more |= {"head_dim": 6} if row.may_choose("head_dim") else {}
    config = replace(TINY, **{**row.switches, **more})
    theirs = AutoConfig.for_model(**model_config_json(config), attn_implementation="eager")
    model = AutoModelForCausalLM.from_config(theirs)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, context, dtype=torch.long), use_cache=False)
    assert sequence_flops(config, context).forward_full == counter.get_total_flops()


def test_a_table_that_is_looked_up_costs_nothing() -> None:
    flops = sequence_flops(PRESETS["lecture-bigram"].model, 8)
    assert (flops.forward_full, flops.training_causal) == (0, 0)
