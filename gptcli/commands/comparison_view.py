"""Models side by side on the same tokens."""

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gptcli.commands.sheets import Cell, Sheet, to_text
from gptcli.commands.terminal import harmless

if TYPE_CHECKING:
    from gptcli.inference.comparison import PairedDifference

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


def comparison_text(models: list[Compared], window: int, width: int) -> str:
    """A table, and how it is to be read."""
    sheet = Sheet(
        "Models on the same tokens",
        ("model", "context", "stride", "loss", "bits per byte", "difference", "error"),
        tuple(map(_row, models)),
        ("stride", "context", "bits per byte"),
    )
    differences = [model.difference for model in models if model.difference is not None]
    note = _NOTE.format(n=f"{differences[0].n_windows:,}", window=window)
    return to_text([sheet], width, False) + textwrap.fill(note, width)


def comparison_document(models: list[Compared], window: int) -> dict[str, Any]:
    """All figures."""
    return {"window": window, "models": [_document(model) for model in models]}


def _row(model: Compared) -> tuple[Cell, ...]:
    bits = "" if model.bits_per_byte is None else f"{model.bits_per_byte:.4f}"
    mean, error = "", ""
    if model.difference is not None:
        mean = f"{model.difference.mean:+.4f}"
        if model.difference.standard_error is not None:
            error = f"{model.difference.standard_error:.4f}"
    name = harmless(model.model)
    return name, model.context, model.stride, f"{model.loss:.4f}", bits, mean, error


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
