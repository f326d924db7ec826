"""The blocks of a model as machine code, for training: torch.compile, once for all of them.

Between its products a block reads and writes the stream many times; compiled, it does so once.
Blocks are alike, so one compilation serves every layer. Parameters and their names stay.
On CUDA, where the loss over a large vocabulary is as dear, the whole loss is compiled instead.
"""

import os
import platform
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import ParamSpec

import torch
from torch import Tensor
from torch.utils._triton import has_triton

from gptcli.errors import ResourceError, reason_of
from gptcli.model.gpt import GPT
from gptcli.runtime.cache_folder import cache_folder, make_private

_COMPILERS = ("c++", "g++", "clang++")

_Arguments = ParamSpec("_Arguments")


def has_compiler(device: str) -> bool:
    """Whether there is what torch.compile needs: a C++ compiler on a CPU, Triton on CUDA."""
    if device.startswith("cuda"):
        return has_triton()
    return any(shutil.which(name) for name in (os.environ.get("CXX"), *_COMPILERS) if name)


def check_compiler(device: str) -> None:
    """Compile a function; ResourceError where there is no compiler, or one that does not work."""
    if not has_compiler(device):
        if device.startswith("cuda"):
            raise ResourceError("Triton, which --compile needs, does not work with this GPU")
        raise ResourceError(
            "there is no C++ compiler, which --compile needs: install g++ to train about a fifth "
            "faster"
        )
    try:
        compiled(_example)(torch.zeros(2, device=device))
    except Exception as error:  # of the compiler, of the linker, of torch
        raise ResourceError(f"--compile does not work here: {reason_of(error)}") from error


def compile_blocks(model: GPT) -> None:
    """Have every block compiled when it first computes; what was compiled before is reused.

    It is kept in a folder that is this user's alone, since it is code: ResourceError where
    there can be none.
    """
    _prepare()
    for block in model.blocks:
        block.compile(dynamic=False)


def compiled(
    function: Callable[_Arguments, Tensor], is_replayed: bool = False
) -> Callable[_Arguments, Tensor]:
    """The function, compiled when it is first called; kept as compiled blocks are.

    If it ``is_replayed``, a GPU repeats its kernels by itself, as a CUDA graph, since those of a
    small model take less time than Python needs to start them. The gradients must then have
    memory of their own, which is zeroed after a step and not given back.
    """
    _prepare()
    mode = "reduce-overhead" if is_replayed else None
    return torch.compile(function, dynamic=False, mode=mode)


def uncompiled(is_compiled: bool) -> AbstractContextManager[object]:
    """A context in which compiled blocks compute as they were: evaluation has other shapes."""
    return torch.compiler.set_stance("force_eager") if is_compiled else nullcontext()


def _prepare() -> None:
    """Have what is compiled kept in the private folder, for the instructions that an x86 CPU has.

    torch would compile a program for most sets of them, to see whether the compiler knows them,
    which takes four seconds; ``check_compiler`` finds out with those that are used.
    """
    from torch._inductor import config  # noqa: PLC0415  it imports all of the compiler

    folder = cache_folder() / "blocks"
    make_private(folder)
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder)
    is_x86 = platform.machine() in ("x86_64", "AMD64")
    if is_x86 and config.cpp.vec_isa_ok is None:  # the user may have said so
        config.cpp.vec_isa_ok = True


def _example(x: Tensor) -> Tensor:
    return x.exp() + 1  # with vectors, for which a library is needed
