"""The processor, named beside every figure, and the most that it can do."""

import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gptcli.fast.layers import OneDNNLinear

_PRODUCT_SIZES = (1024, 2048, 4096)
_SECONDS = 0.5
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
    return max(_product_rate(product, size, dtype) for product in _PRODUCTS for size in sizes)


def _plain(x: Tensor, layer: nn.Linear) -> Tensor:
    return F.linear(x, layer.weight)


def _by_onednn(x: Tensor, layer: nn.Linear) -> Tensor:
    product: Tensor = OneDNNLinear(layer)(x)
    return product


_PRODUCTS: tuple[Callable[[Tensor, nn.Linear], Tensor], ...] = (_plain, _by_onednn)


@torch.no_grad()
def _product_rate(
    product: Callable[[Tensor, nn.Linear], Tensor], size: int, dtype: torch.dtype
) -> float:
    layer = nn.Linear(size, size, bias=False, dtype=dtype)
    x = torch.randn(size, size, dtype=dtype)
    product(x, layer)
    times: list[float] = []
    while len(times) < 3 or sum(times) < _SECONDS:
        started = time.perf_counter()
        product(x, layer)
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


def print_lead(seconds: Mapping[str, float], ours: str) -> None:
    """How much less time the fastest contestant of ours took than the fastest other one."""
    mine = {name: value for name, value in seconds.items() if name.startswith(ours)}
    others = {name: value for name, value in seconds.items() if name not in mine}
    if mine and others:
        best, rival = min(mine, key=mine.__getitem__), min(others, key=others.__getitem__)
        ratio = others[rival] / mine[best]
        print(f"  {best} is {ratio:.2f}x as fast as {rival}, the fastest of the others")
