"""Models side by side on the same tokens."""

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gptcli.commands.view.tables import Cell, Table, to_text
from gptcli.commands.view.terminal import escape_controls

if TYPE_CHECKING:
    from gptcli.evaluation.paired_difference import PairedDifference

_NOTE = (
    "A difference is that of the loss to the first model, in nats per token, and below zero where "
    "the model is better; the error is its standard error over {n} windows of {window:,} tokens."
)


@dataclass(frozen=True)
class Compared:
    """A model's figures, and how it differs from the first one (None for that)."""

    model: str
    context: int
    stride: int
    loss: float
    bits_per_byte: float | None
    difference: "PairedDifference | None"


@dataclass(frozen=True)
class Comparison:
    """Models on the same ``n_tokens`` targets, of ``n_bytes`` where their text is known.

    Errors are those of windows of ``window`` tokens.
    """

    models: list[Compared]
    window: int
    n_tokens: int
    n_bytes: int | None


def comparison_text(comparison: Comparison, width: int) -> str:
    """A table, what was equal, and how it is to be read."""
    models = comparison.models
    sheet = Table(
        "Models on the same tokens",
        ("model", "loss", "bits per byte", "difference", "error"),
        tuple(map(_row, models)),
        ("bits per byte",),
    )
    differences = [model.difference for model in models if model.difference is not None]
    note = _NOTE.format(n=f"{differences[0].n_windows:,}", window=comparison.window)
    lines = (textwrap.fill(text, width) for text in (_conditions(comparison), note))
    return to_text([sheet], width, False) + "\n".join(lines)


def comparison_document(comparison: Comparison) -> dict[str, Any]:
    """All figures."""
    return {
        "window": comparison.window,
        "tokens": comparison.n_tokens,
        "bytes": comparison.n_bytes,
        "models": [_document(model) for model in comparison.models],
    }


def _conditions(comparison: Comparison) -> str:
    """What must be equal, or is not: then in the order of the models."""
    size = "" if comparison.n_bytes is None else f" of {comparison.n_bytes:,} bytes"
    models = comparison.models
    ways = [f"context {model.context:,}, stride {model.stride:,}" for model in models]
    if len(set(ways)) > 1:
        said = [f"{escape_controls(m.model)}: {way}" for m, way in zip(models, ways, strict=True)]
    else:
        said = ways[:1]
    return f"{comparison.n_tokens:,} tokens{size}; {'; '.join(said)}."


def _row(model: Compared) -> tuple[Cell, ...]:
    bits = "" if model.bits_per_byte is None else f"{model.bits_per_byte:.4f}"
    mean, error = "", ""
    if model.difference is not None:
        mean = f"{model.difference.mean:+.4f}"
        if model.difference.standard_error is not None:
            error = f"{model.difference.standard_error:.4f}"
    name = escape_controls(model.model)
    return name, f"{model.loss:.4f}", bits, mean, error


def _document(model: Compared) -> dict[str, Any]:
    difference = model.difference
    return {
        "model": model.model,
        "context": model.context,
        "stride": model.stride,
        "loss": model.loss,
        "bits_per_byte": model.bits_per_byte,
        "difference": None if difference is None else difference.mean,
        "standard_error": None if difference is None else difference.standard_error,
        "windows": None if difference is None else difference.n_windows,
    }
