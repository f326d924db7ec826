"""Device and precision: what is here is chosen, what is not is refused with what is."""

import pytest
import torch

from gptcli.errors import MemoryExhaustedError, UsageError
from gptcli.runtime import device
from gptcli.runtime.device import choose_device, choose_precision, memory_errors, threads_on


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch):
    def make(cuda: bool, mps: bool) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 2 if cuda else 0)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a GPU")
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return make


@pytest.mark.parametrize(
    ("cuda", "mps", "chosen"),
    [(True, True, "cuda"), (True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_auto_takes_cuda_then_mps_then_cpu(machine, cuda: bool, mps: bool, chosen: str) -> None:
    machine(cuda, mps)
    assert choose_device("auto").value == chosen


@pytest.mark.parametrize("asked", ["cuda", "cuda:0", "mps", "tpu", "", "cpu1"])
def test_what_is_not_here_is_refused_with_what_is(machine, asked: str) -> None:
    machine(False, False)
    with pytest.raises(UsageError, match="cpu"):
        choose_device(asked)


@pytest.mark.parametrize("index", ["2", "x", "-1"])
def test_a_gpu_beyond_the_last_is_refused(machine, index: str) -> None:
    machine(True, False)
    assert choose_device("cuda:1").value == "cuda:1"
    with pytest.raises(UsageError, match=r"cuda:[01]"):
        choose_device(f"cuda:{index}")


def test_a_cpu_without_bfloat16_computes_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert choose_precision("auto", "cpu").value == "float32"
    assert choose_precision("bfloat16", "cpu").value == "bfloat16"
    with pytest.raises(UsageError, match="bfloat16"):
        choose_precision("float8", "cpu")


def test_the_cpu_allocators_refusal_is_out_of_memory() -> None:
    with (
        pytest.raises(MemoryExhaustedError, match="a cause: a way"),
        memory_errors("a cause", "a way"),
    ):
        torch.empty(2**60, dtype=torch.uint8)
    with pytest.raises(RuntimeError, match="else"), memory_errors("a cause", "a way"):
        raise RuntimeError("something else")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("MPS backend out of memory (MPS allocated: 8.00 GB)"),
        RuntimeError("Invalid buffer size: 30.00 GB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("std::bad_alloc"),
    ],
)
def test_every_devices_refusal_names_the_cause_and_the_way_out(error: Exception) -> None:
    with (
        pytest.raises(MemoryExhaustedError, match=r"64 samples: try 32, or --device cpu$"),
        memory_errors("64 samples", "try 32", "cuda"),
    ):
        raise error


def test_dtypes_have_their_names() -> None:
    assert device.precision_dtype("bfloat16") is torch.bfloat16


@pytest.mark.filterwarnings("error")
def test_a_norm_is_computed_in_bfloat16_without_a_warning() -> None:
    device._accept_mixed_norms.cache_clear()  # pytest has undone what another test asked for
    with device.autocast("cpu", "bfloat16"):
        torch.nn.RMSNorm(4)(torch.ones(1, 4, dtype=torch.bfloat16))


def test_only_a_deterministic_run_on_a_cpu_has_one_thread_whatever_is_in_use(monkeypatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 5)
    assert [threads_on("cpu"), threads_on("cpu", is_deterministic=True)] == [5, 1]
    assert [threads_on("cuda:0"), threads_on("mps", is_deterministic=True)] == [0, 0]
