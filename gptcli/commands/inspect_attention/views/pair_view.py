"""``--pair``: the steps of one number, from query and key to what is added to the stream."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gptcli.commands.inspect_attention.views.focus import Focus, percent, token_name
from gptcli.commands.inspect_attention.views.update_view import update_table
from gptcli.commands.view.tables import Cell, Figure, Table
from gptcli.config.checks import counted
from gptcli.inspection.pair import PairSteps
from gptcli.inspection.report import Token

_DIMENSIONS = 6
_KEYS = 5


@dataclass(frozen=True)
class ShownPair:
    """The steps of a pair, and the row of scores (after the mask) that its softmax divides by."""

    steps: PairSteps
    scores: Sequence[float]
    tokens: Sequence[Token]


def pair_focus(pairs: Sequence[ShownPair]) -> Focus:
    """The steps of every pair: tables to read, all numbers in json, all dimensions in csv."""
    tables = [table for pair in pairs for table in _tables(pair)]
    return Focus(
        "pairs", lambda: [_document(pair) for pair in pairs], tables, _every_dimension(pairs)
    )


def _tables(pair: ShownPair) -> Iterator[Table]:
    steps = pair.steps
    query, key = (token_name(pair.tokens, place) for place in (steps.query_at, steps.key_at))
    title = f"Head {steps.head}: {query} looks at {key} with {percent(steps.weight)}"
    yield Table(title, ("step", "number", "what it is"), tuple(_steps(pair)))
    yield update_table(steps)
    yield Table("q.k, by dimension: the largest products", *_products(steps))
    yield Table("Softmax: the largest terms of its sum", *_terms(pair))


def _steps(pair: ShownPair) -> Iterator[tuple[Cell, ...]]:
    steps, size = pair.steps, len(pair.steps.query)
    made = f", after {' and '.join(steps.prepared)}" if steps.prepared else ""
    is_future = steps.masked == -math.inf
    yield "q.k", _figure(steps.raw), f"the sum of {size} products of query and key{made}"
    yield "scaled", _figure(steps.scaled), f"q.k / sqrt({size})"
    why = "in the query's future" if is_future else "not in the query's future, so it stays"
    masked = Figure(None, "-inf") if is_future else _figure(steps.masked)
    yield "masked", masked, f"the key is {why}"
    keys = counted(sum(score > -math.inf for score in pair.scores), "key")
    yield "softmax", _figure(steps.weight), f"exp(masked) over the sum of it for {keys}"


def _products(steps: PairSteps) -> tuple[tuple[str, ...], tuple[tuple[Cell, ...], ...]]:
    """The largest products with their factors, the sum of all others, and the whole."""
    parts = zip(steps.query.tolist(), steps.key.tolist(), steps.products.tolist(), strict=True)
    ordered = sorted(enumerate(parts), key=lambda part: -abs(part[1][2]))
    rows: list[tuple[Cell, ...]] = [
        (str(place), *map(_figure, numbers)) for place, numbers in ordered[:_DIMENSIONS]
    ]
    if rest := ordered[_DIMENSIONS:]:
        others = sum(product for _, (_, _, product) in rest)
        rows.append((counted(len(rest), "other"), *_EMPTY[:2], _figure(others)))
    rows.append(("q.k", *_EMPTY[:2], _figure(steps.raw)))
    return ("dimension", "query", "key", "product"), tuple(rows)


def _terms(pair: ShownPair) -> tuple[tuple[str, ...], tuple[tuple[Cell, ...], ...]]:
    """The keys with the largest terms, this pair's among them, the others, and the sum."""
    largest = max(pair.scores)
    terms = [math.exp(score - largest) for score in pair.scores]  # as softmax is computed
    total, own = sum(terms), pair.steps.key_at
    order = sorted(range(len(terms)), key=lambda place: -terms[place])
    shown = [place for place in order[:_KEYS] if terms[place]]
    shown += [own] * (own not in shown)
    rows: list[tuple[Cell, ...]] = [
        (
            token_name(pair.tokens, place),
            Figure.of(pair.scores[place], ".3f"),
            *map(_figure, (terms[place], terms[place] / total)),
        )
        for place in shown
    ]
    others = [terms[place] for place in order if place not in shown and terms[place]]
    if others:
        rest, name = sum(others), counted(len(others), "other")
        rows.append((name, _EMPTY[0], _figure(rest), _figure(rest / total)))
    rows.append(("all", _EMPTY[0], _figure(total), _figure(1.0)))
    return ("key", "masked", "exp(masked - largest)", "weight"), tuple(rows)


def _document(pair: ShownPair) -> dict[str, Any]:
    steps = pair.steps
    vectors = {
        "query": steps.query, "key": steps.key, "products": steps.products,
        "received": steps.received, "value": steps.value, "written": steps.written,
        "weighted_value": steps.weighted_value, "added": steps.added, "head_update":
        steps.head_update, "layer_update": steps.layer_update, "before": steps.before,
        "after": steps.after,
    }  # fmt: skip
    return {
        "layer": steps.head.layer,
        "head": steps.head.index,
        "key_head": steps.key_head,
        "query_at": pair.tokens[steps.query_at].i,
        "key_at": pair.tokens[steps.key_at].i,
        "prepared": steps.prepared,
        "raw": steps.raw,
        "scaled": steps.scaled,
        "masked": steps.masked,
        "weight": steps.weight,
        "masked_scores": list(pair.scores),
        "vectors": {
            name: None if vector is None else vector.tolist() for name, vector in vectors.items()
        },
    }


def _every_dimension(pairs: Sequence[ShownPair]) -> Table:
    """For csv: query, key, product, value and weighted value of every dimension."""
    rows = list[tuple[Cell, ...]]()
    for pair in pairs:
        steps = pair.steps
        at = [pair.tokens[place].i for place in (steps.query_at, steps.key_at)]
        vectors = (steps.query, steps.key, steps.products, steps.value, steps.weighted_value)
        for place, numbers in enumerate(zip(*(one.tolist() for one in vectors), strict=True)):
            rows.append((str(steps.head), *at, place, *map(_figure, numbers)))
    columns = ("head", "query_at", "key_at", "dimension")
    return Table("", (*columns, "query", "key", "product", "value", "weighted_value"), tuple(rows))


def _figure(value: float) -> Figure:
    return Figure(value, f"{value:z.3f}")


_EMPTY = (Figure(None, ""),) * 3
