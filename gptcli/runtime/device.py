"""Choosing device and precision, with the reason; the only file here that imports torch."""

import contextlib
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import torch

from gptcli.config.checks import check_choice
from gptcli.config.training import PRECISIONS, Precision, check_device
from gptcli.errors import MemoryExhaustedError, UsageError
from gptcli.runtime.host_memory import free_host_memory

# In lower case: of the CPU's allocator, C++, CUDA and its libraries, and MPS.
_MEMORY_SIGNS = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "bad_alloc",
    "alloc_failed",
    "invalid buffer size",
)


@dataclass(frozen=True)
class Choice:
    """A chosen value, and the reason to tell the user."""

    value: str
    reason: str


def choose_device(asked: str) -> Choice:
    """Choose CUDA, then MPS, then CPU for ``auto``; UsageError for a missing device."""
    check_device(asked)
    kind, _, index = asked.partition(":")
    has_mps = torch.backends.mps.is_available()
    if kind == "mps" and has_mps and not _is_mps_right():
        raise UsageError(
            f"--device mps needs torch 2.13 or newer, here is {torch.__version__}: before that its "
            "attention is silently wrong; pip install -U torch, or --device cpu"
        )
    here = {
        "cuda": torch.cuda.is_available(),
        "mps": has_mps and _is_mps_right(),
        "cpu": True,
    }
    if asked == "auto":
        kind = next(name for name, usable in here.items() if usable)
        return Choice(kind, _why_device(kind))
    if not here[kind]:
        usable = [name for name, is_here in here.items() if is_here]
        raise UsageError(f"--device {asked} is not available here: try --device {usable[0]}")
    if index or ":" in asked:
        _check_cuda_index(asked, index)
    return Choice(asked, "as asked")


def _is_mps_right() -> bool:
    """Whether this torch attends rightly on Apple's GPUs (pytorch#174861, #181133, #195910)."""
    return torch.__version__ >= "2.13"


def choose_precision(asked: str, device: str) -> Choice:
    """Choose the precision of matrix products in training; weights are always in float32."""
    check_choice("precision", asked, ("auto", *PRECISIONS))
    if asked != "auto":
        return Choice(asked, "as asked")
    if device.startswith("cuda"):
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return Choice("bfloat16", "this GPU computes it natively")
        return Choice("float32", "this GPU has no native bfloat16")
    if device == "mps":
        return Choice("float32", "autocast is not reliable on MPS")
    if torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported():
        return Choice("bfloat16", "this CPU computes it natively")
    return Choice("float32", "this CPU has no native bfloat16")


def precision_dtype(precision: Precision) -> torch.dtype:
    """The torch dtype of a precision."""
    return {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision]


@lru_cache(maxsize=1)
def _accept_mixed_norms() -> None:
    """Have torch be silent about norms whose gain is in float32 while their input is not."""
    warnings.filterwarnings("ignore", "Mismatch dtype between input and weight", UserWarning)


def autocast(device: str, precision: Precision) -> torch.autocast:
    """Compute matrix products in ``precision`` while the block runs; weights stay as they are."""
    kind = device.split(":")[0]
    if precision != "float32" and not torch.compiler.is_compiling():  # where it breaks the graph
        _accept_mixed_norms()
    return torch.autocast(kind, precision_dtype(precision), enabled=precision != "float32")


def set_threads(count: int) -> None:
    """Use ``count`` CPU threads; 0 leaves torch's own choice."""
    if count:
        torch.set_num_threads(count)


def set_deterministic(is_so: bool) -> None:
    """Have torch take algorithms that give the same digits each time, or not; some are slower."""
    if is_so:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA starts
    if torch.are_deterministic_algorithms_enabled() != is_so:  # it imports torch's compiler
        torch.use_deterministic_algorithms(is_so)


def threads_on(device: str, is_deterministic: bool = False) -> int:
    """The CPU threads of a run that is computed there: those in use, 0 (any number) on a GPU.

    One in a deterministic run, since sums of several differ from those of one.
    """
    if device != "cpu":
        return 0
    return 1 if is_deterministic else torch.get_num_threads()


def _why_device(kind: str) -> str:
    if kind == "cuda":
        return torch.cuda.get_device_name()
    if kind == "mps":
        return "Apple GPU"
    threads = torch.get_num_threads()
    return f"no GPU found; {threads} thread{'s' * (threads != 1)}"


def _check_cuda_index(asked: str, index: str) -> None:
    count = torch.cuda.device_count()
    if not index.isdigit() or int(index) >= count:
        raise UsageError(
            f"--device {asked} is not available here: the GPUs are cuda:0 to cuda:{count - 1}"
        )


@contextlib.contextmanager
def memory_errors(cause: str, way_out: str, device: str = "cpu") -> Iterator[None]:
    """Turn errors of exhausted memory into a MemoryExhaustedError.

    It names what took the memory, as ``cause``, and the way out; on a GPU also --device cpu.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:  # torch's own are RuntimeErrors
        is_full = isinstance(error, MemoryError | torch.OutOfMemoryError)
        if not is_full and not any(sign in str(error).lower() for sign in _MEMORY_SIGNS):
            raise
        instead = "" if device == "cpu" else ", or --device cpu"
        raise MemoryExhaustedError(
            f"out of memory ({device}) with {cause}: {way_out}{instead}"
        ) from error


def free_memory(device: str) -> int | None:
    """Bytes that this process can still take on a device; None where nobody tells."""
    kind = device.partition(":")[0]
    if kind == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free
    if kind == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    return free_host_memory()
