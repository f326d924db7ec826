"""The count as 3Blue1Brown keeps it for GPT-3: Deep Learning, chapter 6.

https://www.3blue1brown.com/lessons/attention: weight matrices alone, embedding and
unembedding apart, no positions, biases or norms.
"""

from dataclasses import dataclass, replace

from gptcli.accounting.parameters import Row, count_totals, is_bias, is_norm, parameter_rows
from gptcli.config.model import ModelConfig


@dataclass(frozen=True)
class Figure:
    """A number that is spoken on the way, what it counts, and the product that gives it."""

    name: str
    factors: tuple[int, ...]
    value: int


@dataclass(frozen=True)
class Step:
    """One line of a reconciliation: ``change`` from the line before, ``total`` after it."""

    name: str
    change: int
    total: int


def chapter_rows(config: ModelConfig) -> tuple[Row, ...]:
    """The chapter's eight rows, in its order and with its shapes (outputs x inputs)."""
    heads, d, size = config.n_layer * config.n_head, config.n_embd, config.head_size
    return (
        Row("embedding", (d, config.vocab_size), 1),
        Row("key", (size, d), heads),
        Row("query", (size, d), heads),
        Row("value", (size, d), heads),
        Row("output", (d, size), heads),
        Row("up_projection", (config.n_inner, d), config.n_layer),
        Row("down_projection", (d, config.n_inner), config.n_layer),
        Row("unembedding", (config.vocab_size, d), 1),
    )


def spoken_figures(config: ModelConfig) -> tuple[Figure, ...]:
    """The sub-totals the chapter speaks of; the full value map is what it factors away."""
    d, size = config.n_embd, config.head_size
    one_matrix, one_head = size * d, 4 * size * d
    one_block = one_head * config.n_head
    return (
        Figure("one query matrix (or key, value, output)", (size, d), one_matrix),
        Figure("full value map of a head (not stored)", (d, d), d * d),
        Figure("one head", (4, one_matrix), one_head),
        Figure("one block's heads", (config.n_head, one_head), one_block),
        Figure("all attention", (config.n_layer, one_block), config.n_layer * one_block),
    )


def reconciliation(config: ModelConfig) -> tuple[Step, ...]:
    """From the chapter's total to the exact count, one difference a line."""
    totals = count_totals(config)
    rows = parameter_rows(replace(config, tied=False))
    positions = sum(row.params for row in rows if row.name == "position_embedding")
    biases = sum(row.params for row in rows if is_bias(row.name))
    norms = sum(row.params for row in rows if is_norm(row.name))
    start = totals.weights_only
    steps = (
        Step("the chapter's total", 0, start),
        Step("positions", positions, start + positions),
        Step("biases", biases, start + positions + biases),
        Step("norms: untied", norms, totals.untied),
    )
    if not config.tied:
        return steps
    return (
        *steps,
        Step("unembedding is the embedding: tied", totals.tied - totals.untied, totals.tied),
    )
