"""The blocks of a model as machine code, for training: torch.compile, once for all of them.

Between its products a block reads and writes the stream many times; compiled, it does so once.
Blocks are alike, so one compilation serves every layer. Parameters and their names stay.
"""

import os
import shutil
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from gptcli.errors import ResourceError, reason_of
from gptcli.model.gpt import GPT
from gptcli.runtime.cache_folder import cache_folder, make_private

_COMPILERS = ("c++", "g++", "clang++")


def has_compiler() -> bool:
    """Whether a C++ compiler is on the path, which torch.compile needs on a CPU."""
    return any(shutil.which(name) for name in (os.environ.get("CXX"), *_COMPILERS) if name)


def check_compiler() -> None:
    """Compile a sum; ResourceError where there is no compiler, or one that does not work."""
    if not has_compiler():
        raise ResourceError("there is no C++ compiler, which --compile needs: install g++")
    _use_private_cache()
    try:
        torch.compile(_increment, dynamic=False)(torch.zeros(2))
    except Exception as error:  # of the compiler, of the linker, of torch
        raise ResourceError(f"--compile does not work here: {reason_of(error)}") from error


def compile_blocks(model: GPT) -> None:
    """Have every block compiled when it first computes; what was compiled before is reused.

    It is kept in a folder that is this user's alone, since it is code: ResourceError where
    there can be none.
    """
    _use_private_cache()
    for block in model.blocks:
        block.compile(dynamic=False)


def uncompiled(is_compiled: bool) -> AbstractContextManager[object]:
    """A context in which compiled blocks compute as they were: evaluation has other shapes."""
    return torch.compiler.set_stance("force_eager") if is_compiled else nullcontext()


def _use_private_cache() -> None:
    folder = cache_folder() / "blocks"
    make_private(folder)
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder)


def _increment(x: Tensor) -> Tensor:
    return x + 1
