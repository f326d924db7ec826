"""The count of parameters as in 3Blue1Brown's Deep Learning, chapter 6, for GPT-3.

https://www.3blue1brown.com/lessons/attention: weight matrices alone, embedding and
unembedding apart, no positions, biases or norms.
"""

from dataclasses import dataclass, replace

from gptcli.accounting.parameters import Row, count_totals, is_bias, is_norm, parameter_rows
from gptcli.config.model import ModelConfig


@dataclass(frozen=True)
class SpokenFigure:
    """A number that the chapter mentions, what it counts, and the factors whose product it is."""

    name: str
    factors: tuple[int, ...]
    value: int


@dataclass(frozen=True)
class ReconciliationLine:
    """One line of a reconciliation: ``change`` from the line before, ``total`` after it."""

    name: str
    change: int
    total: int


_ORDER = (
    "token_embedding", "key", "query", "value", "output",
    "gate_projection", "up_projection", "down_projection", "unembedding",
)  # fmt: skip


def chapter_rows(config: ModelConfig) -> tuple[Row, ...]:
    """The chapter's eight rows, in its order and with its shapes (outputs x inputs).

    A gated MLP has one row more; components that a model lacks have none.
    """
    rows = {row.name: row for row in parameter_rows(replace(config, tied=False))}
    embedding = Row("embedding", rows["token_embedding"].shape[::-1], 1)
    return (embedding, *(rows[name] for name in _ORDER[1:] if name in rows))


def spoken_figures(config: ModelConfig) -> tuple[SpokenFigure, ...]:
    """The sub-totals that the chapter mentions, and the value matrix if it were not factored."""
    d, size = config.n_embd, config.head_size
    one_matrix = size * d
    one_block = _attention_matrices(config) * one_matrix
    return (
        SpokenFigure("one query or key matrix", (size, d), one_matrix),
        SpokenFigure("value map, not factored", (d, d), d * d),
        *_heads_of_a_block(config, one_matrix, one_block),
        SpokenFigure("all attention", (config.n_layer, one_block), config.n_layer * one_block),
    )


def _heads_of_a_block(
    config: ModelConfig, one_matrix: int, one_block: int
) -> tuple[SpokenFigure, ...]:
    matrices = _attention_matrices(config)
    if matrices != 4 * config.n_head:
        return (SpokenFigure("one block's heads", (matrices, one_matrix), one_block),)
    return (
        SpokenFigure("one head", (4, one_matrix), 4 * one_matrix),
        SpokenFigure("one block's heads", (config.n_head, 4 * one_matrix), one_block),
    )


def _attention_matrices(config: ModelConfig) -> int:
    """Query, key, value and output matrices of a block, a head at a time."""
    with_output = 2 if config.projections else 1
    return with_output * config.n_head + 2 * config.key_value_heads


def reconciliation(config: ModelConfig) -> tuple[ReconciliationLine, ...]:
    """From the chapter's total to the exact count, one difference a line."""
    totals = count_totals(config)
    rows = parameter_rows(replace(config, tied=False))
    positions = sum(row.params for row in rows if row.name == "position_embedding")
    biases = sum(row.params for row in rows if is_bias(row.name))
    norms = sum(row.params for row in rows if is_norm(row.name))
    start = totals.weights_only
    steps = (
        ReconciliationLine("the chapter's total", 0, start),
        ReconciliationLine("positions", positions, start + positions),
        ReconciliationLine("biases", biases, start + positions + biases),
        ReconciliationLine("norms: untied", norms, totals.untied),
    )
    if not config.tied:
        return steps
    return (
        *steps,
        ReconciliationLine("tied unembedding", totals.tied - totals.untied, totals.tied),
    )
