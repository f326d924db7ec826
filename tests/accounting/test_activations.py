"""What blocks keep for their gradients, against what autograd is given to keep."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from gptcli.accounting.activations import kept_by_blocks
from gptcli.accounting.workload import Workload
from gptcli.config.model import ModelConfig
from gptcli.config.training import Precision
from gptcli.families.registry import FAMILIES
from gptcli.fast.compiled_blocks import compile_blocks
from gptcli.fast.layers import use_fast_layers
from gptcli.model.gpt import GPT
from gptcli.model.initialization import new_model
from gptcli.runtime.device import autocast

ROWS = 5
SIZES = {"n_layer": 2, "n_head": 3, "n_embd": 96, "block_size": 128, "vocab_size": 22}
WIDE_HEADS = {**SIZES, "n_head": 2, "n_embd": 128}  # for which the kernel takes bfloat16


def model_of(family: str, **sizes: object) -> ModelConfig:
    return ModelConfig.from_fields({**FAMILIES[family].switches, **SIZES, **sizes})


def bytes_kept(model: GPT, precision: Precision) -> int:
    """Bytes of all that autograd keeps of embeddings and blocks, each storage once."""
    storages: dict[int, torch.UntypedStorage] = {}
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}

    def keep(tensor: Tensor) -> Tensor:
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
        return tensor

    ids = torch.zeros(ROWS, model.config.block_size, dtype=torch.long)
    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        autocast("cpu", precision),
    ):
        x, signal = model.embed(ids, torch.arange(model.config.block_size))
        for block in model.blocks:
            x = block(x, signal)
    return sum(one.nbytes() for pointer, one in storages.items() if pointer not in weights)


def check(config: ModelConfig, precision: Precision, compiled: bool = False) -> None:
    model = use_fast_layers(new_model(config, 1)).train()
    if compiled:
        compile_blocks(model)
    work = Workload(config.block_size, ROWS, precision=precision, compiled=compiled)
    assert kept_by_blocks(config, work) == pytest.approx(bytes_kept(model, precision), rel=0.05)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("dropout", [0.0, 0.2])
@pytest.mark.parametrize("family", ["gpt2", "llama", "qwen3", "nanochat"])
def test_blocks_keep_what_is_counted(family: str, dropout: float, precision: Precision) -> None:
    check(model_of(family, dropout=dropout), precision)
    check(model_of(family, **WIDE_HEADS, dropout=dropout), precision)


@pytest.mark.parametrize("family", ["gpt2", "llama", "nanochat"])
def test_a_short_texts_pattern_is_counted_in_float32(family: str) -> None:
    keys = {} if family == "gpt2" else {"n_kv_head": 1}
    for sizes in ({}, keys, WIDE_HEADS):
        check(model_of(family, **{**SIZES, **sizes, "block_size": 96}), "float32")


@pytest.mark.parametrize("dropout", [0.0, 0.2])
@pytest.mark.parametrize("block_size", [300, 600])
def test_a_pattern_in_blocks_and_none_are_counted(block_size: int, dropout: float) -> None:
    check(model_of("nanochat", block_size=block_size, dropout=dropout), "bfloat16")


@pytest.mark.parametrize(
    "switches",
    [
        {"n_kv_head": 1},
        {"n_inner": 100},
        {"bias": False},
        {"activation": "relu"},
        {"activation": "relu_squared"},
        {"positions": "rotary"},
        {"norm": "rms"},
        {"gated": True},
        {"qk_norm": True},
    ],
)
def test_each_switch_is_counted(switches: dict[str, object]) -> None:
    config = replace(model_of("gpt2"), **switches)
    check(config, "bfloat16")
    check(config, "float32")


@pytest.mark.parametrize("block_size", [128, 300])
def test_compiled_blocks_keep_what_is_counted(block_size: int) -> None:
    check(model_of("llama", block_size=block_size), "bfloat16", compiled=True)
