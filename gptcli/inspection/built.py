"""The rows of a model that is really built, to hold against those that were counted."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from gptcli.accounting.parameters import Row
from gptcli.config.model import ModelConfig
from gptcli.model.initialization import empty_model

_NAMES = {"lm_head": "unembedding", "up": "up_projection", "down": "down_projection"}
_NAMES["gate"] = "gate_projection"


@dataclass(frozen=True)
class Disagreement:
    """A row that was counted and built differently; None where it is missing."""

    name: str
    counted: Row | None
    built: Row | None


def disagreements(config: ModelConfig, counted: tuple[Row, ...]) -> list[Disagreement]:
    """Where rows differ from the model that torch builds, without memory for its weights."""
    built = {row.name: row for row in built_rows(config)}
    claimed = {row.name: row for row in counted if row.copies}
    return [
        Disagreement(name, claimed.get(name), built.get(name))
        for name in {**claimed, **built}
        if claimed.get(name) != built.get(name)
    ]


def built_rows(config: ModelConfig) -> tuple[Row, ...]:
    """One row per kind of parameter, those of different layers together."""
    copies: dict[tuple[str, tuple[int, ...]], int] = {}
    for name, parameter in empty_model(config, "meta").named_parameters():
        for kind, shape, number in _pieces(name, parameter, config):
            copies[kind, shape] = copies.get((kind, shape), 0) + number
    return tuple(Row(kind, shape, number) for (kind, shape), number in copies.items())


def _pieces(
    name: str, parameter: torch.Tensor, config: ModelConfig
) -> Iterator[tuple[str, tuple[int, ...], int]]:
    """Kind, shape and copies of what a parameter holds: attention's matrices a head at a time."""
    *_, module, role = name.split(".")
    shape, size = tuple(parameter.shape), config.head_size
    if module == "query_key_value":
        heads = (config.n_head, config.key_value_heads, config.key_value_heads)
        assert shape[0] == sum(heads) * size, "queries, keys and values of every head"
        for kind, number in zip(("query", "key", "value"), heads, strict=True):
            yield _kind(kind, role), (size, *shape[1:]), number
    elif module == "output" and role == "weight":
        yield "output", (shape[0], size), shape[1] // size
    else:
        yield _kind(_NAMES.get(module, module), role), shape, 1


def _kind(name: str, role: str) -> str:
    return name if role == "weight" else f"{name.removesuffix('_projection')}_bias"
