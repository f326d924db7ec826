"""Weights in int8: close to the weights they stand for, on every way that a row may take."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gptcli.fast.quantization import Int8Linear, quantize
from gptcli.fast.row_products import row_product


@pytest.fixture
def layer():
    torch.manual_seed(0)
    return nn.Linear(64, 48)


def stands_for(quantized: Int8Linear) -> torch.Tensor:
    return quantized.weight.float() * quantized.scale.float()[:, None]


def test_no_weight_is_off_by_more_than_half_a_step(layer):
    quantized = Int8Linear(layer)
    assert quantized.weight.dtype == torch.int8
    off = (stands_for(quantized) - layer.weight).abs()
    # A scale in bfloat16 may be 1/256 too small, then the largest of a row is cut to 127 steps.
    step = quantized.scale[:, None]
    assert bool((off <= torch.maximum(0.5 * step, layer.weight.abs() / 200)).all())
    largest = layer.weight.abs().amax(1)
    torch.testing.assert_close(quantized.scale * 127, largest, rtol=1 / 256, atol=0)


def test_a_row_of_zeros_stays_zero(layer):
    with torch.no_grad():
        layer.weight[3] = 0
    assert stands_for(Int8Linear(layer))[3].count_nonzero() == 0


@pytest.mark.parametrize("shape", [(1, 1, 64), (2, 2, 64), (3, 7, 64)])
@torch.inference_mode()
def test_every_number_of_rows_gives_the_product_with_the_stood_for_weights(layer, shape):
    quantized = Int8Linear(layer)
    x = torch.randn(shape)
    expected = F.linear(x, stands_for(quantized), layer.bias)
    torch.testing.assert_close(quantized(x), expected, rtol=0.02, atol=0.02)
    if shape[:2] == (1, 1):
        row = row_product(x, quantized.weight, layer.bias, quantized.scale)
        torch.testing.assert_close(row, expected)


@pytest.mark.parametrize("width", [1, 3, 8, 17, 24, 33, 48, 100])
@torch.inference_mode()
def test_any_width_and_number_of_rows(width):
    torch.manual_seed(width)
    quantized = Int8Linear(nn.Linear(width, 5))
    for rows in range(1, 7):
        x = torch.randn(rows, width)
        expected = F.linear(x, stands_for(quantized), quantized.bias)
        torch.testing.assert_close(quantized(x), expected, rtol=0.02, atol=0.02)


@torch.inference_mode()
def test_a_quantized_model_computes_nearly_the_same(any_small_model):
    model, ids = any_small_model
    before = model(ids)
    n_linear = sum(isinstance(part, nn.Linear) for part in model.modules())
    after = quantize(model)(ids)
    assert sum(isinstance(part, Int8Linear) for part in model.modules()) == n_linear
    assert model.token_embedding.weight.dtype == torch.float32
    assert not torch.equal(before, after)
    assert (before - after).std() < 0.03 * before.std()


@pytest.fixture
def any_small_model(randomized, random_ids):
    from gptcli.config.model import ModelConfig

    config = ModelConfig(n_layer=2, n_head=4, n_embd=64, block_size=16, vocab_size=50)
    return randomized(config, 1), random_ids(config, 1)
