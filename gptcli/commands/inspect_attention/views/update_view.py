"""The steps of one update in the words of 3Blue1Brown's chapter beside those of the code.

D = head size, C = n_embd, H = n_head.
"""

import math
from collections.abc import Sequence

from gptcli.commands.view.tables import Cell, Figure, Table
from gptcli.inspection.pair import PairSteps

_NUMBERS = 3


def update_table(steps: PairSteps) -> Table:
    """From the embedding of the key's token to the change that is added at the query's place."""
    C, D, H = len(steps.written), len(steps.value), steps.n_head
    weighed = f"{steps.weight:.3f} x v W_O: what this pair adds"
    rows: list[tuple[Cell, ...]] = [
        _vector("E of the key", "x", "the key's token, normalised", steps.received.tolist()),
        _matrix("value down", "W_V", "the head's rows of the value matrix", D, C),
        _vector("value down x E", "v = W_V x", "the value, with any bias", steps.value.tolist()),
        _matrix("value up", "W_O, head", "the head's columns of the output matrix", C, D),
        _vector("value vector", "v W_O", "value up x value down x E", steps.written.tolist()),
        _vector("weighted", "weight v W_O", weighed, steps.added.tolist()),
        _vector("change, a head", "update", "the sum over all keys", steps.head_update.tolist()),
        _matrix("output matrix", "W_O", f"value up of {H} heads, stapled together", C, H * D),
        _vector("change ΔE", "written", "all heads and the bias", steps.layer_update.tolist()),
    ]
    if steps.before is not None and steps.after is not None:
        rows.append(
            _vector("E of the query", "before", "the stream at the query", steps.before.tolist())
        )
        rows.append(
            _vector("E + ΔE, refined", "after", "and behind attention", steps.after.tolist())
        )
    return Table(
        "What the weight adds, in the words of 3Blue1Brown's chapter and in those of the code",
        ("chapter", "code", "shape", "length", "first numbers", "what it is"),
        tuple(rows),
        spare=("first numbers", "shape"),
    )


def _vector(name: str, code: str, what: str, vector: Sequence[float]) -> tuple[Cell, ...]:
    first = ", ".join(f"{number:z.3f}" for number in vector[:_NUMBERS])
    more = ", ..." if len(vector) > _NUMBERS else ""
    length = Figure.of(math.hypot(*vector), "z.3f")
    return name, code, f"{len(vector):,}", length, f"{first}{more}", what


def _matrix(name: str, code: str, what: str, n_rows: int, n_columns: int) -> tuple[Cell, ...]:
    return name, code, f"{n_rows:,} x {n_columns:,}", Figure(None, ""), "", what
