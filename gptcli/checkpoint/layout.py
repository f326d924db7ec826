"""Which tensors a model's files hold: our parameter names beside Hugging Face's, with shapes.

Where each of them is in the files is read from their headers alone, without torch.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from gptcli.checkpoint.foreign_names import foreign_name
from gptcli.checkpoint.header import TensorInfo
from gptcli.checkpoint.weight_file import WeightFile
from gptcli.config.model import ModelConfig
from gptcli.errors import CheckpointError
from gptcli.families.registry import family_of
from gptcli.families.shapes import attention_heads, parameter_shapes

FLOATING: Mapping[str, str] = MappingProxyType(
    {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
)
"""What safetensors and torch call the types that weights may have."""

_ONLY_HEAD = ": it was saved without its head, save it as AutoModelForCausalLM"


@dataclass(frozen=True)
class TensorEntry:
    """One tensor of the file.

    It is the whole parameter, or ``shape[0]`` of its rows from ``first_row`` on. ``shape``
    is the parameter's; the file may hold it ``transposed``. An entry that is ``absent`` in the
    model is written as zeros, because the family's files must have it.
    """

    parameter: str
    name: str
    shape: tuple[int, ...]
    first_row: int = 0
    transposed: bool = False
    absent: bool = False

    @property
    def file_shape(self) -> tuple[int, ...]:
        """The shape as stored."""
        return self.shape[::-1] if self.transposed else self.shape


@dataclass(frozen=True)
class Stored:
    """A tensor in an open file: its name there, and its place."""

    file: WeightFile
    name: str
    info: TensorInfo


def file_layout(config: ModelConfig) -> list[TensorEntry]:
    """Every tensor that model.safetensors holds for this model."""
    tensors = family_of(config).tensors
    present = parameter_shapes(config)
    stored = parameter_shapes(replace(config, **tensors.always))
    return [
        replace(
            part,
            name=tensors.rename(part.name),
            transposed=tensors.transposes_blocks and _is_block_matrix(part),
            absent=part.parameter not in present,
        )
        for name, shape in stored.items()
        for part in _parts(TensorEntry(name, name, shape), config, tensors.splits_attention)
    ]


def canonical_name(name: str, config: ModelConfig) -> str | None:
    """The layout's name for a tensor that another program wrote; None if it is not a weight.

    A tied head is the token embedding.
    """
    tensors = family_of(config).tensors
    if name.endswith(tensors.ignored):
        return None
    if name == "score.weight":
        return name
    if name == "lm_head.weight":
        return tensors.rename("token_embedding.weight") if config.tied else name
    prefix = tensors.optional_prefix
    return name if name.startswith(prefix) else prefix + name


def find_stored(files: Sequence[WeightFile], config: ModelConfig) -> dict[str, list[Stored]]:
    """Find where every tensor of the layout is stored, once or more.

    CheckpointError names the tensor that is missing, unknown or of another shape.
    """
    expected = {entry.name: entry for entry in file_layout(config)}
    found: dict[str, list[Stored]] = {}
    for file in files:
        for stored, info in file.tensors.items():
            name = canonical_name(stored, config)
            if name is not None:
                if name not in expected:
                    raise _foreign(stored, file.path, expected, config)
                _check(stored, info, expected[name], file.path)
                found.setdefault(name, []).append(Stored(file, stored, info))
    if missing := sorted(expected.keys() - found.keys()):
        way_out = _ONLY_HEAD if missing == ["lm_head.weight"] else ""
        raise CheckpointError(
            f"{files[0].path.parent} lacks tensor {missing[0]} ({len(missing)} missing){way_out}"
        )
    return found


def _is_block_matrix(entry: TensorEntry) -> bool:
    return entry.parameter.startswith("blocks.") and len(entry.shape) == 2


def _parts(entry: TensorEntry, config: ModelConfig, split: bool) -> Iterator[TensorEntry]:
    """Query, key and value apart where the family splits them; any other parameter whole."""
    if not split or ".query_key_value." not in entry.name:
        yield entry
        return
    first = 0
    for part, heads in attention_heads(config).items():
        rows = heads * config.head_size
        name = entry.name.replace("query_key_value", part)
        yield replace(entry, name=name, shape=(rows, *entry.shape[1:]), first_row=first)
        first += rows


def _foreign(
    name: str, file: Path, expected: Collection[str], config: ModelConfig
) -> CheckpointError:
    return foreign_name(
        name,
        file,
        lambda other: canonical_name(other, config) in expected,
        lambda prefix: any(other.startswith(prefix) for other in expected),
    )


def _check(name: str, info: TensorInfo, entry: TensorEntry, file: Path) -> None:
    if info.shape != entry.file_shape:
        raise CheckpointError(
            f"{file}: tensor {name} is {list(info.shape)}, "
            f"config.json asks for {list(entry.file_shape)}"
        )
    if info.dtype not in FLOATING:
        raise CheckpointError(f"{file}: tensor {name} holds {info.dtype}, not floating point")
