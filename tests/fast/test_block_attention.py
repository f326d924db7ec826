"""Attention in blocks of queries is the textbook's, with dropout and without."""

import math

import pytest
import torch
from torch import Tensor

from gptcli.accounting import activations
from gptcli.config.model import ModelConfig
from gptcli.fast import block_attention
from gptcli.fast.block_attention import LONGEST, LONGEST_IN_FLOAT32, attend_in_blocks
from gptcli.fast.dropout import drop
from gptcli.fast.layers import attend_fast, use_fast_layers
from gptcli.model.attention import attend
from gptcli.model.initialization import new_model

T = 9


def heads(keys: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    shapes = ((2, 4, T, 6), (2, keys, T, 6), (2, keys, T, 6))
    return tuple(
        torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()
        for shape in shapes
    )


def textbook(query: Tensor, key: Tensor, value: Tensor, past: int | None, mask: Tensor) -> Tensor:
    shared = query.shape[1] // key.shape[1]
    key, value = (one.repeat_interleave(shared, 1) for one in (key, value))
    scores = torch.einsum("bhtd,bhsd->bhts", query, key) / math.sqrt(query.shape[3])
    if past is not None:
        hidden = torch.ones(scores.shape[2:]).triu(past + 1).bool()
        scores = scores.masked_fill(hidden, -math.inf)
    return torch.einsum("bhts,bhsd->bhtd", scores.softmax(-1) * mask, value)


@pytest.mark.parametrize("keys", [4, 2, 1])
@pytest.mark.parametrize("past", [0, None])
@pytest.mark.parametrize("size", [1, 4, 9, 128])
def test_it_is_the_textbooks_in_values_and_gradients(
    monkeypatch, keys: int, past: int | None, size: int
) -> None:
    monkeypatch.setattr(block_attention, "_QUERIES", size)
    parts = heads(keys)
    found = attend_in_blocks(*parts, past, 0.0)
    expected = textbook(*parts, past, torch.ones(()))
    torch.testing.assert_close(found, expected)
    gradients = torch.autograd.grad(found.pow(2).sum(), parts)
    wanted = torch.autograd.grad(expected.pow(2).sum(), parts)
    for one, other in zip(gradients, wanted, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("keys", [4, 2, 1])
@pytest.mark.parametrize("past", [0, None])
def test_dropout_takes_weights_out_of_the_pattern(keys: int, past: int | None) -> None:
    parts = heads(keys)
    torch.manual_seed(5)
    mask = drop(torch.ones(8, T, T, dtype=torch.float64), 0.3).view(2, 4, T, T)
    torch.manual_seed(5)
    found = attend_in_blocks(*parts, past, 0.3)
    expected = textbook(*parts, past, mask)
    torch.testing.assert_close(found, expected)
    gradients = torch.autograd.grad(found.pow(2).sum(), parts)
    wanted = torch.autograd.grad(expected.pow(2).sum(), parts)
    for one, other in zip(gradients, wanted, strict=True):
        torch.testing.assert_close(one, other)


def test_dropout_in_blocks_draws_block_after_block(monkeypatch) -> None:
    monkeypatch.setattr(block_attention, "_QUERIES", 4)
    parts = heads()
    torch.manual_seed(5)
    masks = torch.zeros(8, T, T, dtype=torch.float64)
    for first, end in ((0, 4), (4, 8), (8, 9)):
        ones = torch.ones(8, end - first, end, dtype=torch.float64)
        masks[:, first:end, :end] = drop(ones, 0.3)
    torch.manual_seed(5)
    found = attend_in_blocks(*parts, 0, 0.3)
    torch.testing.assert_close(found, textbook(*parts, 0, masks.view(2, 4, T, T)))


@pytest.mark.parametrize("size", [2, 128])
def test_it_goes_on_behind_a_past_as_the_fused_kernel_does(monkeypatch, size: int) -> None:
    monkeypatch.setattr(block_attention, "_QUERIES", size)
    query, key, value = heads(2)
    later = query[:, :, 4:]
    for queries, past in ((query, 0), (query, None), (later, 4)):
        found = attend_in_blocks(queries, key, value, past, 0.0)
        torch.testing.assert_close(found, attend(queries, key, value, past, 0.0))


@pytest.mark.parametrize("context", [2, 130, LONGEST])
def test_training_in_bfloat16_stays_near_float64(context: int) -> None:
    generator = torch.Generator().manual_seed(3)
    exact = torch.randn(3, 2, 4, context, 32, generator=generator, dtype=torch.float64)
    parts = [one.bfloat16().requires_grad_() for one in exact]
    found = attend_fast(*parts, 0, 0.0)
    assert found.dtype == torch.bfloat16
    rounded = [one.detach().double().requires_grad_() for one in parts]
    expected = textbook(*rounded, 0, torch.ones(()))
    torch.testing.assert_close(found.double(), expected, rtol=0.02, atol=0.02)
    gradients = torch.autograd.grad(found.float().pow(2).sum(), parts)
    wanted = torch.autograd.grad(expected.pow(2).sum(), rounded)
    for one, other in zip(gradients, wanted, strict=True):
        largest = float(other.abs().max())
        torch.testing.assert_close(one.double(), other, rtol=0.05, atol=0.02 * largest)


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float32])
def test_only_short_texts_take_it_without_dropout(monkeypatch, precision: torch.dtype) -> None:
    taken = []

    def watched(query: Tensor, *rest: object) -> Tensor:
        taken.append(query.shape[2])
        return attend_in_blocks(query, *rest)

    monkeypatch.setattr("gptcli.fast.layers.attend_in_blocks", watched)
    longest = LONGEST if precision == torch.bfloat16 else LONGEST_IN_FLOAT32
    config = ModelConfig(n_layer=1, n_head=2, n_embd=8, block_size=longest + 1, vocab_size=5)
    model = use_fast_layers(new_model(config, 1)).train()
    ids = torch.zeros(2, longest + 1, dtype=torch.long)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
        model(ids)
        model(ids[:, :1])
        assert not taken
        learnt = model(ids[:, :6])
        with torch.no_grad():
            assert torch.equal(model(ids[:, :6]), learnt), "a reference has the same digits"
    assert taken == [6, 6]


def test_large_heads_in_float32_take_the_fused_kernel(monkeypatch) -> None:
    monkeypatch.setattr("gptcli.fast.layers.attend_in_blocks", None)
    parts = [torch.ones(1, 1, 6, 64)] * 3
    torch.testing.assert_close(attend_fast(*parts, 0, 0.0), parts[0])


def test_memory_is_counted_with_the_same_sizes() -> None:
    counted = (activations._LONGEST_IN_BLOCKS, activations._LONGEST_IN_FLOAT32)
    assert (*counted, activations._QUERIES) == (
        LONGEST,
        LONGEST_IN_FLOAT32,
        block_attention._QUERIES,
    )
