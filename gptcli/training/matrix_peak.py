"""The highest rate of matrix products that this device reaches, to judge a training step by."""

import time
from functools import cache

import torch
from torch import nn

from gptcli.config.training import Precision
from gptcli.fast.layers import use_fast_layers
from gptcli.runtime.device import autocast

_SIZES = (1024, 2048)  # one of them fits the caches of a CPU
_SIZES_ON_GPU = (2048, 8192)  # one fills a small GPU, the other a large one
_LEAST, _SECONDS = 3, 0.1


@cache
def matrix_peak(device: str, precision: Precision) -> float | None:
    """Operations a second of large square products, measured in about a third of a second.

    A multiplication and an addition count as two. None where it cannot be measured.
    """
    try:
        sizes = _SIZES if device == "cpu" else _SIZES_ON_GPU
        return max(_rate(size, device, precision) for size in sizes)
    except RuntimeError:  # no memory, or no such product
        return None


@torch.inference_mode()
def _rate(size: int, device: str, precision: Precision) -> float:
    layer = use_fast_layers(nn.Sequential(nn.Linear(size, size, bias=False, device="meta")))
    layer.to_empty(device=device)
    for weight in layer.parameters():
        weight.fill_(1 / size)
    x = torch.ones(size, size, device=device)
    if precision == "bfloat16":  # the conversion would be measured, too
        x, layer = x.bfloat16(), layer.bfloat16()
    times: list[float] = []
    with autocast(device, precision):
        while len(times) < _LEAST or sum(times) < _SECONDS:
            began = time.perf_counter()
            float(layer(x)[0, 0])  # waits for a GPU to finish
            times.append(time.perf_counter() - began)
    return 2 * size**3 / min(times)
