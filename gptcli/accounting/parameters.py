"""The parameters of a GPT: one row per kind of matrix, from its configuration alone."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from gptcli.config.model import ModelConfig
from gptcli.families.shapes import Parameter, attention_heads, parameters

BUFFERS = 0
"""Numbers that a model stores beside its parameters: none, as the causal mask is computed."""

# The model's modules -> the names of their matrices in the literature.
_NAMES = {
    "lm_head": "unembedding",
    "gate": "gate_projection",
    "up": "up_projection",
    "down": "down_projection",
}
# What grows with vocabulary or context.
_GROWING = ("token_embedding", "position_embedding", "unembedding", "unembedding_bias")


@dataclass(frozen=True)
class Row:
    """One kind of matrix or vector: ``shape`` as (outputs, inputs), and how many there are.

    Query, key, value and output are counted a head at a time, as the literature draws them.
    """

    name: str
    shape: tuple[int, ...]
    copies: int

    @property
    def params(self) -> int:
        """Parameters of all copies together."""
        return math.prod(self.shape) * self.copies


@dataclass(frozen=True)
class Totals:
    """The sums that go by the name of "number of parameters".

    ``exact`` is the model as built: ``tied`` if token embedding and unembedding are one
    matrix, else ``untied``. ``non_embedding`` leaves out everything that grows with
    vocabulary or context: N in Kaplan et al. 2020 (arXiv:2001.08361, section 1.3; nanoGPT
    prints another, exact minus positions). ``weights_only`` is the untied matrices without
    positions, biases and norms.
    """

    exact: int
    tied: int
    untied: int
    non_embedding: int
    weights_only: int


def parameter_rows(config: ModelConfig) -> tuple[Row, ...]:
    """A row for every kind of parameter, from the input to the output of the model.

    A tied unembedding has 0 copies; keys and values that several queries share are counted once.
    """
    rows = rows_of(parameters(replace(config, tied=False)), config)
    if not config.tied:
        return rows
    return tuple(replace(row, copies=0) if row.name == "unembedding" else row for row in rows)


def rows_of(found: Iterable[Parameter], config: ModelConfig) -> tuple[Row, ...]:
    """One row per kind of matrix or vector; a matrix is followed by its bias and norm."""
    copies: dict[tuple[str, tuple[int, ...]], int] = {}
    for one in found:
        for row in _pieces(one, config):
            copies[row.name, row.shape] = copies.get((row.name, row.shape), 0) + row.copies
    rows = [Row(name, shape, number) for (name, shape), number in copies.items()]
    stems = [_stem(row.name) for row in rows]
    return tuple(sorted(rows, key=lambda row: stems.index(_stem(row.name))))


def exact_count(config: ModelConfig) -> int:
    """Parameters of the model as it is built."""
    return sum(one.size for one in parameters(config))


def count_totals(config: ModelConfig) -> Totals:
    """Compute the five sums that are all called "number of parameters"."""
    rows = {row.name: row.params for row in parameter_rows(replace(config, tied=False))}
    untied = sum(rows.values())
    tied = untied - rows.get("unembedding", 0)
    small = sum(params for name, params in rows.items() if is_bias(name) or is_norm(name))
    return Totals(
        exact=tied if config.tied else untied,
        tied=tied,
        untied=untied,
        non_embedding=untied - sum(rows.get(name, 0) for name in _GROWING),
        weights_only=untied - rows.get("position_embedding", 0) - small,
    )


def is_norm(name: str) -> bool:
    """Whether a row belongs to a norm, gain or bias."""
    return name.removesuffix("_bias").endswith("_norm")


def is_bias(name: str) -> bool:
    """Whether a row is the bias of a linear layer."""
    return name.endswith("_bias") and not is_norm(name)


def _pieces(one: Parameter, config: ModelConfig) -> Iterator[Row]:
    """Divide attention's matrices into those of single heads; leave any other whole."""
    *_, module, role = one.name.split(".")
    D = config.head_size
    if module == "query_key_value":
        for part, heads in attention_heads(config).items():
            yield Row(_row_name(part, role), (D, *one.shape[1:]), one.copies * heads)
    elif module == "output" and role == "weight":
        yield Row("output", (one.shape[0], D), one.copies * one.shape[1] // D)
    else:
        yield Row(_row_name(_NAMES.get(module, module), role), one.shape, one.copies)


def _row_name(name: str, role: str) -> str:
    return name if role == "weight" else f"{name.removesuffix('_projection')}_bias"


def _stem(name: str) -> str:
    """The part of the name that a matrix, its bias and its norm share: ``query``."""
    return name.removesuffix("_bias").removesuffix("_projection").removesuffix("_norm")
