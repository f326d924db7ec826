"""The decoding step as machine code, kept on disk for all models of the same shape.

Eager torch leaves three quarters of the memory's bandwidth unused when it multiplies a matrix
by one row, and spends as long again between its kernels. AOTInductor compiles the whole step to
one library, which takes the weights from the model, so all checkpoints of a shape share it.
Loading it takes milliseconds and does not need the compiler.
"""

import contextlib
import hashlib
import json
import os
import platform
import sys
import warnings
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

import gptcli.fast
import gptcli.model
from gptcli.errors import ResourceError, reason_of
from gptcli.fast.decoding_step import DecodingStep
from gptcli.fast.packing import packed
from gptcli.fast.row_products import row_product
from gptcli.model.cache import KeyValueCache
from gptcli.model.gpt import GPT
from gptcli.runtime.cache_folder import cache_folder, is_private, make_private, scratch_folder
from gptcli.runtime.files import write_bytes
from gptcli.runtime.hashing import sha256_of

if TYPE_CHECKING:
    from torch.export import ExportedProgram

_DIGITS = 32  # of a sha256
_SHORTEST = 4  # positions; below it there is nothing to gain
_COMPILING: dict[str, Any] = {
    "aot_inductor.package_constants_in_so": False,
    "aot_inductor.precompile_headers": False,  # 400 MB
    "aot_inductor.allow_stack_allocation": True,  # a heap costs small models a tenth of the time
    "cpp.enable_floating_point_contract_flag": "fast",  # products and sums in one instruction
}


class CompiledStep:
    """A compiled DecodingStep for ``batch_size`` rows, bound to the weights of one model."""

    def __init__(self, library: Path, model: GPT, batch_size: int) -> None:
        # The C++ class, because torch's Python wrapper imports the whole compiler. It unpacks the
        # library, which is needed until it is loaded: a kill later leaves nothing behind.
        with scratch_folder(_folder()) as scratch, _temporary_files_in(scratch):
            loader = torch._C._aoti.AOTIModelPackageLoader
            self._runner = loader(str(library), "model", False, 1, -1)
        weights = {
            f"model.{name}": value.detach() for name, value in _tensors(packed(model, batch_size))
        }
        needed = self._runner.get_constant_fqns()
        # By reference: the model must not be moved or freed while the step is in use.
        self._runner.load_constants({name: weights[name] for name in needed}, False, True, True)
        self._weights = weights
        self._positions = torch.arange(model.config.block_size)

    def can_follow(self, cache: KeyValueCache) -> bool:
        """Whether the step can add a position: not the first, nor the last one of the context."""
        return 0 < cache.length < len(self._positions) - 1

    def __call__(self, ids: Tensor, cache: KeyValueCache) -> Tensor:
        """Logits (B, V) in float32 after ids (B, 1), which are added to the cache."""
        positions = self._positions[: cache.extend()]
        keys, values = cache.tensors
        # It reads the memory as if it were contiguous, whatever a tensor says.
        logits: Tensor = self._runner.run([ids.contiguous(), positions, *keys, *values])[0]
        return logits


def find_step(model: GPT, batch_size: int) -> CompiledStep | None:
    """The step for ``batch_size`` rows, if this user has compiled it on this machine; else None."""
    # A library is code: only what this user alone could write is run.
    if not can_compile(model) or not is_private(_folder()):
        return None
    for library in _folder().glob(f"{_key(model, batch_size)}-*.pt2"):
        if is_private(library) and library.stem.endswith(f"-{_digest(library)}"):
            # A library made by another build of torch does not load.
            with contextlib.suppress(RuntimeError, KeyError, OSError):
                return CompiledStep(library, model, batch_size)
    return None


def can_compile(model: GPT) -> bool:
    """Whether the model can have a compiled step: on the CPU, with attention and a context."""
    is_here = model.token_embedding.weight.device.type == "cpu"
    return is_here and model.config.n_layer > 0 and model.config.block_size >= _SHORTEST


def compile_step(model: GPT, batch_size: int) -> None:
    """Compile the step that find_step finds; it takes half a minute or, with many layers, more.

    ResourceError where there is no C++ compiler, no room for the library, or no folder for it
    that is this user's own.
    """
    folder, key = _folder(), _key(model, batch_size)
    make_private(folder)
    with warnings.catch_warnings(), scratch_folder(folder) as scratch:
        warnings.simplefilter("ignore")  # torch's warnings are for its developers
        made = scratch / f"{key}.pt2"
        _compile(_exported(model, batch_size), made)
        library = folder / f"{key}-{_digest(made)}.pt2"
        write_bytes(library, made.read_bytes())
    for other in folder.glob(f"{key}-*.pt2"):  # damaged ones
        if other != library and other.is_file():
            other.unlink(missing_ok=True)


@contextlib.contextmanager
def _temporary_files_in(folder: Path) -> Iterator[None]:
    """Let libraries make their temporary files in ``folder`` while the block runs."""
    before = os.environ.get("TMPDIR")
    os.environ["TMPDIR"] = str(folder)
    try:
        yield
    finally:
        del os.environ["TMPDIR"]
        if before is not None:
            os.environ["TMPDIR"] = before


@torch.no_grad()
def _exported(model: GPT, batch_size: int) -> "ExportedProgram":
    from torch.export import Dim, export  # noqa: PLC0415  slow

    config = model.config
    parameter = model.token_embedding.weight
    example = KeyValueCache(config, batch_size, parameter.device, parameter.dtype)
    keys, values = example.tensors
    ids, positions = torch.zeros(batch_size, 1, dtype=torch.long), torch.arange(_SHORTEST - 1)
    lengths = {0: Dim("S", min=2, max=config.block_size - 1)}
    program = export(
        DecodingStep(packed(model, batch_size)),
        (ids, positions, keys, values),
        dynamic_shapes=(None, lengths, [None] * config.n_layer, [None] * config.n_layer),
    )
    replaced = {torch.ops.aten.linear.default: row_product} if batch_size == 1 else {}
    decomposed: ExportedProgram = program.run_decompositions(replaced)
    return decomposed


def _compile(program: "ExportedProgram", path: Path) -> None:
    from torch._inductor import aoti_compile_and_package  # noqa: PLC0415  slow
    from torch._inductor.utils import fresh_cache  # noqa: PLC0415  slow

    try:
        with fresh_cache(dir=str(path.parent)):  # else intermediate files would stay in its cache
            aoti_compile_and_package(program, package_path=str(path), inductor_configs=_COMPILING)
    except RuntimeError as error:
        raise ResourceError(f"the decoding step cannot be compiled: {reason_of(error)}") from error


def _folder() -> Path:
    """The folder of libraries, each named by its key and its sha256, to detect damage."""
    return cache_folder() / "steps"


def _digest(library: Path) -> str:
    return sha256_of(library)[:_DIGITS]


def _key(model: GPT, batch_size: int) -> str:
    """Sha256 of everything that the machine code depends on."""
    parts = (
        model.config.whole(),
        sorted((name, str(value.dtype), list(value.shape)) for name, value in _tensors(model)),
        batch_size,
        torch.__version__,
        torch.get_num_threads(),
        _processor(),
        _sources(),
    )
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:_DIGITS]


def _tensors(model: GPT) -> Sequence[tuple[str, Any]]:
    """Parameters and buffers by each of their names."""
    return [
        *model.named_parameters(remove_duplicate=False),
        *model.named_buffers(remove_duplicate=False),
    ]


@cache
def _sources() -> str:
    """Sha256 of the code that the step is compiled from."""
    folders = (Path(next(iter(package.__path__))) for package in (gptcli.model, gptcli.fast))
    return sha256_of(*(path for folder in folders for path in sorted(folder.glob("*.py"))))


@cache
def _processor() -> str:
    """The processor and its instruction sets, since machines may share a home directory."""
    known = (sys.platform, platform.machine(), platform.processor(), str(os.cpu_count()))
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return " ".join([*known, torch.backends.cpu.get_cpu_capability(), flags])
