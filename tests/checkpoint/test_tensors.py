"""Tensors on the way to a file."""

import math

import torch

from gptcli.checkpoint.tensors import not_finite


def test_numbers_that_are_not_finite_are_found_also_among_very_large_ones():
    large = torch.full((3, 4), 3e38)
    assert not_finite({}) is None
    assert not_finite({"a": large, "b": torch.zeros(2)}) is None
    for value in (math.nan, math.inf, -math.inf):
        damaged = torch.ones(5, 5)
        damaged[2, 3] = value
        assert not_finite({"a": large, "b": damaged, "c": torch.full((2,), value)}) == "b"
