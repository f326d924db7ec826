"""Dropout with masks of 16 bits: its shares, its scale, its gradient, and attention with it."""

import math

import pytest
import torch
from torch import Tensor, nn

from gptcli.fast import dropout
from gptcli.fast.dropout import FastDropout, attend_dropping, drop
from gptcli.fast.layers import use_fast_layers
from gptcli.model.attention import attend


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_the_share_and_the_mean_are_those_asked_for(p: float) -> None:
    torch.manual_seed(1)
    dropped = drop(torch.ones(10**6), p)
    assert float((dropped == 0).float().mean()) == pytest.approx(p, abs=3e-3)
    assert float(dropped.mean()) == pytest.approx(1, abs=1e-2)
    assert dropped.unique().tolist() == pytest.approx([0.0, 1 / (1 - p)], rel=1e-3)


def test_neighbours_are_dropped_independently() -> None:
    torch.manual_seed(1)
    zeros = drop(torch.ones(400_000), 0.5) == 0
    for distance in (1, 2, 3, 4, 8):
        both = (zeros[distance:] & zeros[:-distance]).float().mean()
        assert float(both) == pytest.approx(0.25, abs=4e-3)


def test_the_same_seed_drops_the_same_and_the_gradient_has_the_same_mask() -> None:
    x = torch.randn(3, 5, requires_grad=True)
    torch.manual_seed(7)
    first = drop(x, 0.4)
    torch.manual_seed(7)
    assert torch.equal(drop(x, 0.4), first)
    first.sum().backward()
    assert torch.equal(x.grad == 0, first == 0)
    torch.testing.assert_close(x.grad * x, first)


def test_in_evaluation_and_at_zero_nothing_is_dropped() -> None:
    x = torch.randn(10)
    assert torch.equal(FastDropout(0.5).eval()(x), x)
    assert torch.equal(FastDropout(0.0).train()(x), x)
    assert isinstance(FastDropout(0.5), nn.Dropout)


def heads(keys: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    shapes = ((2, 4, 9, 6), (2, keys, 9, 6), (2, keys, 9, 6))
    return tuple(
        torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()
        for shape in shapes
    )


@pytest.mark.parametrize("keys", [4, 2, 1])
@pytest.mark.parametrize("past", [0, None])
def test_attention_is_the_textbooks_with_one_mask(monkeypatch, keys: int, past: int | None) -> None:
    query, key, value = heads(keys)
    torch.manual_seed(5)
    mask = drop(torch.ones(8, 9, 9, dtype=torch.float64), 0.3).view(2, 4, 9, 9)
    torch.manual_seed(5)
    found = attend_dropping(query, key, value, past, 0.3)
    wide_key, wide_value = (x.repeat_interleave(4 // keys, 1) for x in (key, value))
    scores = torch.einsum("bhtd,bhsd->bhts", query, wide_key) / math.sqrt(6)
    if past is not None:
        scores = scores.masked_fill(torch.ones(9, 9).triu(1).bool(), -math.inf)
    expected = torch.einsum("bhts,bhsd->bhtd", scores.softmax(-1) * mask, wide_value)
    torch.testing.assert_close(found, expected)
    gradients = torch.autograd.grad(found.pow(2).sum(), (query, key, value))
    wanted = torch.autograd.grad(expected.pow(2).sum(), (query, key, value))
    for one, other in zip(gradients, wanted, strict=True):
        torch.testing.assert_close(one, other)


def test_without_dropping_it_is_the_fused_kernel(monkeypatch) -> None:
    monkeypatch.setattr(dropout, "drop", lambda x, p: x)
    query, key, value = heads(2)
    later = query[:, :, 4:]
    for queries, past in ((query, 0), (query, None), (later, 4)):
        found = attend_dropping(queries, key, value, past, 0.3)
        torch.testing.assert_close(found, attend(queries, key, value, past, 0.0))


def test_a_model_in_evaluation_stays_so() -> None:
    module = nn.Sequential(nn.Dropout(0.5)).eval()
    assert not use_fast_layers(module)[0].training
    assert use_fast_layers(nn.Sequential(nn.Dropout(0.5)))[0].training
