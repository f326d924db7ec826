"""Fast layers: what a model computes, has and saves is the same without them."""

import copy

import pytest
import torch
import torch.nn.functional as F

from gptcli.config.model import ModelConfig
from gptcli.fast.layers import attend_fast, use_fast_layers
from gptcli.fast.onednn_linear import OneDNNLinear
from gptcli.model.attention import Attention
from gptcli.model.initialization import new_model

CONFIG = ModelConfig(n_layer=2, n_head=2, n_embd=16, block_size=8, vocab_size=11)
IDS = torch.arange(8)[None]


def test_a_model_with_fast_layers_has_the_same_parameters_and_logits() -> None:
    model = new_model(CONFIG, 1)
    before, logits = dict(model.named_parameters()), model(IDS)
    fast = use_fast_layers(model)
    assert fast is model
    after = dict(model.named_parameters())
    assert list(after) == list(before)
    assert all(after[name] is before[name] for name in before)
    assert model.lm_head.weight is model.token_embedding.weight
    torch.testing.assert_close(model(IDS), logits)


def test_every_linear_layer_and_every_attention_is_exchanged_once_and_in_a_copy_too() -> None:
    model = copy.deepcopy(use_fast_layers(use_fast_layers(new_model(CONFIG, 1))))
    linear = [module for module in model.modules() if isinstance(module, torch.nn.Linear)]
    assert linear
    assert all(type(module) is OneDNNLinear for module in linear)
    kernels = {m.kernel for m in model.modules() if isinstance(m, Attention)}
    assert kernels == {attend_fast}
    assert torch.equal(model(IDS), use_fast_layers(new_model(CONFIG, 1))(IDS))


@pytest.mark.parametrize("head_size", [8, 64])
@pytest.mark.parametrize("past", [0, 2, None])
def test_attention_in_bfloat16_is_near_that_in_float32(head_size: int, past: int | None) -> None:
    generator = torch.Generator().manual_seed(1)
    query = torch.randn(1, 4, 3, head_size, generator=generator)
    key, value = (torch.randn(1, 2, 3 + (past or 0), head_size, generator=generator) for _ in "kv")
    half = attend_fast(query, key, value.bfloat16(), past, 0.0)
    assert half.dtype == torch.bfloat16
    exact = attend_fast(*(part.bfloat16().float() for part in (query, key, value)), past, 0.0)
    torch.testing.assert_close(half.float(), exact, rtol=0.02, atol=0.02)
    assert F.cosine_similarity(half.float(), exact, dim=-1).min() > 0.999
