"""Reading and writing tensors in safetensors files; the only file here that imports torch."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from gptcli.checkpoint.header import read_header
from gptcli.checkpoint.layout import FLOATING, Stored, TensorEntry, file_layout, find_stored
from gptcli.checkpoint.weight_file import WeightFile, opened_weights
from gptcli.config.model import ModelConfig
from gptcli.errors import CheckpointError, ResourceError
from gptcli.families.shapes import parameter_shapes
from gptcli.runtime.files import replace_file

Weights = dict[str, Tensor]

_BUFFER = 2**20  # bytes; stays in a cache between reading and copying

Announce = Callable[[Path], None]


def _ignore(file: Path) -> None:
    """Do nothing with the new file."""


def save_tensors(path: Path, tensors: Weights, announce: Announce = _ignore) -> None:
    """Replace ``path`` atomically by these tensors; the same tensors give the same bytes.

    ``announce`` is given the new file before it takes its place.
    """
    # More than one metadata key would make the bytes vary from save to save.
    metadata = {"format": "pt"}

    def write(file: Path) -> None:
        safetensors.torch.save_file(tensors, file, metadata)
        announce(file)

    try:
        replace_file(path, write)
    except safetensors.SafetensorError as error:
        n_bytes = sum(tensor.nbytes for tensor in tensors.values())
        raise ResourceError(
            f"cannot write the {n_bytes:,} bytes of {path}: {error}; "
            "free some space or write elsewhere"
        ) from error


def not_finite(tensors: Weights) -> str | None:
    """The name of the first tensor that holds NaN or infinity; None where all are finite."""
    # A norm is quick, needs no copies, and waits for a GPU only once; NaN and infinity stay in it.
    if torch.nn.utils.get_total_norm(tensors.values()).isfinite():
        return None
    return next((name for name, one in tensors.items() if not one.isfinite().all()), None)


def load_tensors(path: Path) -> Weights:
    """Load every tensor of a file as it is stored, after its header has been checked."""
    read_header(path)
    try:
        return safetensors.torch.load_file(path)
    except (OSError, safetensors.SafetensorError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error


def save_weights(
    path: Path, weights: Weights, config: ModelConfig, announce: Announce = _ignore
) -> None:
    """Write a model's parameters in the layout of its family."""
    tensors = {entry.name: _to_file(entry, weights) for entry in file_layout(config)}
    save_tensors(path, tensors, announce)


def load_weights(directory: Path, config: ModelConfig) -> Weights:
    """Load a model's parameters in float32, from one file or from shards.

    Raises what ``read_weights`` does, and CheckpointError where a file changed meanwhile.
    """
    with opened_weights(directory) as files:
        return read_weights(files, config)


def read_weights(files: Sequence[WeightFile], config: ModelConfig) -> Weights:
    """Read a model's parameters in float32 from open files.

    Beside the parameters it needs a buffer of a few MB. Raises CheckpointError naming the
    tensor that is missing, unknown, of another shape, or stored twice with different values.
    """
    stored = find_stored(files, config)
    weights = {name: torch.empty(shape) for name, shape in parameter_shapes(config).items()}
    for entry in file_layout(config):
        first, *again = stored[entry.name]
        if entry.absent:
            _check_zero(first)
            continue
        view = _view(weights[entry.parameter], entry)
        _read_into(view, first)
        for copy in again:
            _check_equal(view, copy)
    return weights


def _view(parameter: Tensor, entry: TensorEntry) -> Tensor:
    """The part of a parameter that an entry stores, as the file has it."""
    part = parameter[entry.first_row : entry.first_row + entry.shape[0]]
    return part.t() if entry.transposed else part


def _read_into(view: Tensor, stored: Stored) -> None:
    if stored.info.dtype == "F32" and view.is_contiguous():
        _seek(stored)
        _fill(view.view(-1), stored)
    else:
        for rows, block in _blocks(stored):
            view[rows].copy_(block)


def _check_equal(view: Tensor, copy: Stored) -> None:
    for rows, block in _blocks(copy):
        if not torch.equal(view[rows], block.to(view.dtype)):
            raise CheckpointError(
                f"{copy.file.path}: tensor {copy.name} is stored twice, with different values"
            )


def _check_zero(stored: Stored) -> None:
    for _, block in _blocks(stored):
        if torch.count_nonzero(block):
            raise CheckpointError(
                f"{stored.file.path}: config.json says that {stored.name} is zero, but it is not"
            )


def _blocks(stored: Stored) -> Iterator[tuple[slice, Tensor]]:
    """Yield the tensor a few rows at a time, each time in the same buffer."""
    n_rows, *rest = stored.info.shape
    row_bytes = stored.info.n_bytes // n_rows
    dtype: torch.dtype = getattr(torch, FLOATING[stored.info.dtype])
    per_block = max(1, _BUFFER // row_bytes)
    buffer = torch.empty(min(n_rows, per_block) * row_bytes, dtype=torch.uint8)
    _seek(stored)
    for first in range(0, n_rows, per_block):
        last = min(first + per_block, n_rows)
        part = buffer[: (last - first) * row_bytes]
        _fill(part, stored)
        yield slice(first, last), part.view(dtype).view(last - first, *rest)


def _seek(stored: Stored) -> None:
    stored.file.stream.seek(stored.info.start)


def _fill(target: Tensor, stored: Stored) -> None:
    """Read the next bytes of the file into the memory of ``target``, (N,) and contiguous."""
    memory = target.numpy().data.cast("B")
    while memory:
        try:
            count = stored.file.stream.readinto(memory)
        except OSError as error:
            raise CheckpointError(f"{stored.file.path} cannot be read: {error.strerror}") from error
        if not count:
            raise CheckpointError(f"{stored.file.path} ends within tensor {stored.name}")
        memory = memory[count:]


def _to_file(entry: TensorEntry, weights: Weights) -> Tensor:
    if entry.absent:
        return torch.zeros(entry.file_shape)
    part = _view(weights[entry.parameter].detach(), entry)
    return part.to("cpu", torch.float32).contiguous()
