"""Where each tensor of a model is in its files, from the headers alone, without torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from gptcli.checkpoint.header import TensorInfo, read_header
from gptcli.checkpoint.layout import TensorEntry, canonical_name, file_layout
from gptcli.checkpoint.model_files import weight_files
from gptcli.config.model import ModelConfig
from gptcli.errors import CheckpointError

FLOATING: Mapping[str, str] = MappingProxyType(
    {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
)
"""What safetensors and torch call the types that weights may have."""


@dataclass(frozen=True)
class Stored:
    """A tensor in a file: its name there, and its place."""

    file: Path
    name: str
    info: TensorInfo


def find_stored(directory: Path, config: ModelConfig) -> dict[str, list[Stored]]:
    """Find where every tensor of the layout is stored, once or more, and check all headers.

    CheckpointError names the tensor that is missing, unknown or of another shape.
    """
    expected = {entry.name: entry for entry in file_layout(config)}
    found: dict[str, list[Stored]] = {}
    for file in weight_files(directory):
        for stored, info in read_header(file).items():
            name = canonical_name(stored, config)
            if name is not None:
                _check(stored, info, expected.get(name), file)
                found.setdefault(name, []).append(Stored(file, stored, info))
    missing = sorted(expected.keys() - found.keys())
    if missing:
        raise CheckpointError(f"{directory} lacks tensor {missing[0]} ({len(missing)} missing)")
    return found


def _check(name: str, info: TensorInfo, entry: TensorEntry | None, file: Path) -> None:
    if entry is None:
        raise CheckpointError(f"{file}: tensor {name} is not part of the model in config.json")
    if info.shape != entry.file_shape:
        raise CheckpointError(
            f"{file}: tensor {name} is {list(info.shape)}, "
            f"config.json asks for {list(entry.file_shape)}"
        )
    if info.dtype not in FLOATING:
        raise CheckpointError(f"{file}: tensor {name} holds {info.dtype}, not floating point")
