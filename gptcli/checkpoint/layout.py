"""Which tensors a model's files hold: our parameter names beside Hugging Face's, with shapes."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from gptcli.config.model import ModelConfig
from gptcli.families.registry import family_of
from gptcli.families.shapes import attention_heads, parameter_shapes


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
    if name == "lm_head.weight":
        return tensors.rename("token_embedding.weight") if config.tied else name
    prefix = tensors.optional_prefix
    return name if name.startswith(prefix) else prefix + name


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
