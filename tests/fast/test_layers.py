"""Fast layers: what a model computes, has and saves is the same without them."""

import copy

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from gptcli.config.model import ModelConfig
from gptcli.fast.layers import (
    FastLinear,
    _OneDNNProduct,
    attend_fast,
    attend_from_one,
    padded_linear,
    use_fast_layers,
)
from gptcli.model.attention import Attention
from gptcli.model.initialization import new_model

CONFIG = ModelConfig(n_layer=2, n_head=2, n_embd=16, block_size=8, vocab_size=11)
IDS = torch.arange(8)[None]


def assert_same_with_gradients(ours: Tensor, theirs: Tensor, inputs: tuple[Tensor, ...]) -> None:
    """Both are equal, and so are their gradients with respect to every input."""
    torch.testing.assert_close(ours, theirs)
    cotangent = torch.randn(ours.shape, generator=torch.Generator().manual_seed(2))
    for one, other in zip(
        torch.autograd.grad(ours, inputs, cotangent),
        torch.autograd.grad(theirs, inputs, cotangent),
        strict=True,
    ):
        torch.testing.assert_close(one, other)


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
    assert all(type(module) is FastLinear for module in linear)
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


@settings(max_examples=60, deadline=None)
@given(
    shape=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    n_in=st.integers(1, 40),
    n_out=st.integers(1, 40),
    bias=st.booleans(),
    seed=st.integers(0, 100),
)
def test_output_and_gradients_equal_torchs(
    shape: list[int], n_in: int, n_out: int, bias: bool, seed: int
) -> None:
    torch.manual_seed(seed)
    ours = FastLinear(nn.Linear(n_in, n_out, bias))
    oracle = nn.Linear(n_in, n_out, bias).double()
    oracle.load_state_dict({name: p.double() for name, p in ours.state_dict().items()})
    x = torch.randn(*shape, n_in, requires_grad=True)
    wide = x.detach().double().requires_grad_()
    y, expected = ours(x), oracle(wide)
    weight = torch.randn(y.shape)
    (y * weight).sum().backward()
    (expected * weight).sum().backward()
    close = {"rtol": 1e-4, "atol": 1e-4, "check_dtype": False}
    torch.testing.assert_close(y, expected, **close)
    torch.testing.assert_close(x.grad, wide.grad, **close)
    for one, other in zip(ours.parameters(), oracle.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, **close)


@pytest.mark.skipif(
    not hasattr(torch.ops.mkldnn, "_linear_pointwise"), reason="this torch has no oneDNN"
)
@pytest.mark.parametrize("bias", [True, False])
def test_the_onednn_product_equals_torchs_on_any_cpu(bias: bool) -> None:
    generator = torch.Generator().manual_seed(1)
    x, weight, b = (
        torch.randn(*shape, generator=generator, requires_grad=True)
        for shape in ((3, 5, 7), (4, 7), (4,))
    )
    inputs = (x, weight, b) if bias else (x, weight)
    ours = _OneDNNProduct.apply(x, weight, b if bias else None)
    theirs = nn.functional.linear(x, weight, b if bias else None)
    assert_same_with_gradients(ours, theirs, inputs)


@pytest.mark.parametrize("n_out", [65, 128, 257])
@pytest.mark.parametrize("bias", [True, False])
def test_a_weight_filled_up_for_a_gpu_gives_the_same(n_out: int, bias: bool) -> None:
    generator = torch.Generator().manual_seed(1)
    x, weight, b = (
        torch.randn(*shape, generator=generator, requires_grad=True)
        for shape in ((2, 5, 16), (n_out, 16), (n_out,))
    )
    inputs = (x, weight, b) if bias else (x, weight)
    ours = padded_linear(x, weight, b if bias else None)
    theirs = nn.functional.linear(x, weight, b if bias else None)
    assert_same_with_gradients(ours, theirs, inputs)


def test_a_transposed_input_gives_the_same() -> None:
    linear = FastLinear(nn.Linear(6, 5))
    x = torch.randn(6, 7).t()
    torch.testing.assert_close(linear(x), linear(x.contiguous()))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions_are_torchs_own(dtype: torch.dtype) -> None:
    ours = FastLinear(nn.Linear(4, 3)).to(dtype)
    x = torch.randn(2, 4, dtype=dtype)
    assert torch.equal(ours(x), nn.functional.linear(x, ours.weight, ours.bias))


def test_autocast_computes_in_bfloat16() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert FastLinear(nn.Linear(4, 3))(torch.randn(2, 4)).dtype == torch.bfloat16


@pytest.mark.parametrize(("n_keys", "n_kv_head"), [(16, 4), (40, 2), (33, 1)])
def test_a_new_token_of_many_texts_sees_what_the_fused_kernel_sees(n_keys, n_kv_head) -> None:
    draw = torch.Generator().manual_seed(1)
    query = torch.randn(64, 4, 1, 8, generator=draw)
    room = torch.randn(2, 64, n_kv_head, 50, 8, generator=draw)  # a cache with more positions
    key, value = room[0, :, :, :n_keys], room[1, :, :, :n_keys]
    expected = F.scaled_dot_product_attention(query, key, value, enable_gqa=n_kv_head < 4)
    torch.testing.assert_close(attend_from_one(query, key, value), expected)
    with torch.inference_mode():
        found = attend_fast(query, key, value, n_keys - 1, 0.0)
    assert torch.equal(found, attend_from_one(query, key, value))
    assert not torch.equal(found, expected), "nothing else was computed"
