"""The processor, named beside every figure, and the most that it can do."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from gptcli.fast.layers import use_fast_layers

_PRODUCT_SIZES = (1024, 2048, 4096)
_SECONDS = 0.5
_Maker = Callable[[nn.Linear], nn.Module]
# AMD's families of which the figures speak.
_GENERATIONS = {("AuthenticAMD", "25"): "Zen 3 or 4", ("AuthenticAMD", "26"): "Zen 5"}


def processor(described: str | None = None) -> str:
    """Model name, family and number of cores, from the text of /proc/cpuinfo."""
    if described is None:
        try:
            described = Path("/proc/cpuinfo").read_text()
        except OSError:
            described = ""
    known = dict(_fields(described))
    family = known.get("cpu family", "")
    generation = _GENERATIONS.get((known.get("vendor_id", ""), family))
    parts = (
        known.get("model name", "unknown CPU"),
        f"family {family}" + (f" = {generation}" if generation else ""),
        f"{torch.get_num_threads()} threads",
    )
    return ", ".join(parts)


def _fields(described: str) -> list[tuple[str, str]]:
    pairs = (line.partition(":") for line in described.splitlines() if ":" in line)
    return [(name.strip(), value.strip()) for name, _, value in pairs]


def print_title(title: str) -> None:
    """A line above figures: what was measured, and on what."""
    print(f"\n{title} [{processor()}, torch {torch.__version__}]", flush=True)


def matrix_peak(dtype: torch.dtype, sizes: tuple[int, ...] = _PRODUCT_SIZES) -> float:
    """Operations a second of the fastest square product, torch's own or oneDNN's."""
    makers: tuple[_Maker, ...] = (nn.Sequential, _fast)
    return max(_product_rate(make, size, dtype) for make in makers for size in sizes)


def _fast(layer: nn.Linear) -> nn.Module:
    return use_fast_layers(nn.Sequential(layer))


@torch.no_grad()
def _product_rate(make: _Maker, size: int, dtype: torch.dtype) -> float:
    product = make(nn.Linear(size, size, bias=False, dtype=dtype))
    x = torch.randn(size, size, dtype=dtype)
    product(x)
    times: list[float] = []
    while len(times) < 3 or sum(times) < _SECONDS:
        started = time.perf_counter()
        product(x)
        times.append(time.perf_counter() - started)
    return 2 * size**3 / statistics.median(times)


def memory_rate() -> list[float]:
    """Bytes a second of a plain sum over more numbers than any cache holds, several times."""
    numbers = torch.ones(2**27)
    torch.sum(numbers)
    rates = []
    for _ in range(10):
        started = time.perf_counter()
        torch.sum(numbers)
        rates.append(numbers.nbytes / (time.perf_counter() - started))
    return rates
