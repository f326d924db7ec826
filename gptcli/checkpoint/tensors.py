"""Tensors to and from safetensors files. The one file of checkpoint/ that knows torch."""

from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from gptcli.checkpoint.files import weight_files
from gptcli.checkpoint.header import TensorInfo, read_header
from gptcli.checkpoint.layout import Entry, canonical_name, file_layout
from gptcli.config.model import ModelConfig
from gptcli.errors import CheckpointError, ResourceError
from gptcli.runtime.files import replace_file

Weights = dict[str, Tensor]


def save_tensors(path: Path, tensors: Weights) -> None:
    """Replace ``path`` atomically by these tensors; the same tensors give the same bytes."""
    # More than one metadata key would make the bytes vary from save to save.
    metadata = {"format": "pt"}
    try:
        replace_file(path, lambda file: safetensors.torch.save_file(tensors, file, metadata))
    except safetensors.SafetensorError as error:
        n_bytes = sum(tensor.nbytes for tensor in tensors.values())
        raise ResourceError(f"cannot write {path}, {n_bytes:,} bytes: {error}") from error


def load_tensors(path: Path) -> Weights:
    """Every tensor of a file whose header is sound, as it is stored."""
    read_header(path)
    try:
        return safetensors.torch.load_file(path)
    except (OSError, safetensors.SafetensorError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error


def save_weights(path: Path, weights: Weights, config: ModelConfig) -> None:
    """Write a model's parameters in the layout of its family."""
    save_tensors(path, {entry.name: _to_file(entry, weights) for entry in file_layout(config)})


def load_weights(directory: Path, config: ModelConfig) -> Weights:
    """A model's parameters in float32, from one file or from shards.

    Raises CheckpointError naming the tensor that is missing, unknown or of another shape.
    """
    found = _collect(directory, config)
    weights = {}
    for entry in file_layout(config):
        tensor = _from_file(entry, found.pop(entry.name), directory)
        if tensor is not None:
            weights[entry.parameter] = tensor
    return weights


def _to_file(entry: Entry, weights: Weights) -> Tensor:
    if entry.absent:
        return torch.zeros(entry.file_shape)
    tensor = weights[entry.parameter].detach().to("cpu", torch.float32)
    return (tensor.t() if entry.transposed else tensor).contiguous()


def _from_file(entry: Entry, tensor: Tensor, directory: Path) -> Tensor | None:
    if entry.absent:
        if torch.count_nonzero(tensor):
            raise CheckpointError(
                f"{directory}: config.json says that {entry.name} is zero, but it is not"
            )
        return None
    tensor = tensor.to(torch.float32)
    return tensor.t().contiguous() if entry.transposed else tensor


def _collect(directory: Path, config: ModelConfig) -> Weights:
    """Check every header against the layout, then read."""
    expected = {entry.name: entry for entry in file_layout(config)}
    found: Weights = {}
    for file in weight_files(directory):
        wanted = {}
        for stored, info in read_header(file).items():
            name = canonical_name(stored, config)
            if name is not None:
                _check(name, info, expected, file)
                wanted[stored] = name
        tensors = load_tensors(file)
        found |= {name: tensors[stored] for stored, name in wanted.items()}
    missing = sorted(expected.keys() - found.keys())
    if missing:
        raise CheckpointError(f"{directory} lacks tensor {missing[0]} ({len(missing)} missing)")
    return found


def _check(name: str, info: TensorInfo, expected: dict[str, Entry], file: Path) -> None:
    if name not in expected:
        raise CheckpointError(f"{file}: tensor {name} is not part of the model in config.json")
    if info.shape != expected[name].file_shape:
        raise CheckpointError(
            f"{file}: tensor {name} is {list(info.shape)}, "
            f"config.json asks for {list(expected[name].file_shape)}"
        )
    if info.dtype not in ("F64", "F32", "F16", "BF16"):
        raise CheckpointError(f"{file}: tensor {name} holds {info.dtype}, not floating point")
