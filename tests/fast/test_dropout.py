"""Dropout with masks of 16 bits: its shares, its scale, its gradient."""

import pytest
import torch
from torch import nn

from gptcli.fast.dropout import FastDropout, drop
from gptcli.fast.layers import use_fast_layers


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


def test_a_model_in_evaluation_stays_so() -> None:
    module = nn.Sequential(nn.Dropout(0.5)).eval()
    assert not use_fast_layers(module)[0].training
    assert use_fast_layers(nn.Sequential(nn.Dropout(0.5)))[0].training
