"""``eval --compare`` and ``--quantize``: models side by side on the same tokens."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gptcli.checkpoint.weights_step import step_document
from gptcli.commands.eval.subject import Subject, check_loss
from gptcli.commands.view.answer import Answer
from gptcli.commands.view.tables import Cell, Figure, Table, records
from gptcli.evaluation.paired_difference import PairedDifference, paired_difference
from gptcli.runtime.world import World

_COLUMNS = ("model", "loss", "bits per byte", "difference", "error")
_NOTE = (
    "A difference is the loss minus the first model's, in nats per token: below zero where "
    "the model is better; the error is its standard error over {n} windows of {window:,} tokens."
)


@dataclass(frozen=True)
class Compared:
    """A model's figures, and how it differs from the first one (None for that)."""

    subject: Subject
    loss: float
    bits_per_byte: float | None
    difference: PairedDifference | None


def comparison_answer(subjects: Sequence[Subject], world: World) -> Answer:
    """Evaluate every model on the same targets; differences are paired, token by token.

    Standard errors are taken over windows of the longest context.
    """
    size = subjects[0].text_size()
    n_tokens, n_bytes = subjects[0].tokens.n_targets, None if size is None else size.n_bytes
    window = max(one.context for one in subjects)
    compared = subjects[0].compared_size()
    models = _compared(subjects, None if compared is None else compared.n_bytes, window, world)
    documents = [_document(model) for model in models]
    return Answer(
        "gptcli.eval-compare/1",
        lambda: {"window": window, "tokens": n_tokens, "bytes": n_bytes, "models": documents},
        [_table(models, _conditions(subjects, n_bytes), window)],
        csv=records(documents),
    )


def _compared(
    subjects: Sequence[Subject], n_bytes: int | None, window: int, world: World
) -> list[Compared]:
    models: list[Compared] = []
    first = None
    for subject in subjects:
        with subject.evaluating(world) as evaluation_pass:
            losses, places = evaluation_pass.losses()
        loss, total = float(losses.mean()), float(losses.sum())
        check_loss(subject, loss)
        bits = None if n_bytes is None else total / math.log(2) / n_bytes
        difference = None if first is None else paired_difference(losses, first, places, window)
        first = losses if first is None else first
        models.append(Compared(subject, loss, bits, difference))
    return models


def _table(models: Sequence[Compared], conditions: str, window: int) -> Table:
    """A row per model, with notes on the conditions and on how to read the figures."""
    n_windows = next(one.difference.n_windows for one in models if one.difference is not None)
    note = _NOTE.format(n=f"{n_windows:,}", window=window)
    rows = tuple(map(_row, models))
    title = "Models on the same tokens"
    return Table(title, _COLUMNS, rows, ("bits per byte",), notes=(conditions, note))


def _row(model: Compared) -> tuple[Cell, ...]:
    difference = model.difference
    return (
        model.subject.name,
        Figure.of(model.loss, ".4f"),
        Figure.of(model.bits_per_byte, ".4f"),
        Figure.of(None if difference is None else difference.mean, "+.4f"),
        Figure.of(None if difference is None else difference.standard_error, ".4f"),
    )


def _conditions(subjects: Sequence[Subject], n_bytes: int | None) -> str:
    """The targets, and the context and stride; for each model if they differ."""
    size = "" if n_bytes is None else f" of {n_bytes:,} bytes"
    ways = [f"context {one.context:,}, stride {one.stride:,}" for one in subjects]
    listed = ways[:1]
    if len(set(ways)) > 1:
        listed = [f"{one.name}: {way}" for one, way in zip(subjects, ways, strict=True)]
    return f"{subjects[0].tokens.n_targets:,} tokens{size}; {'; '.join(listed)}."


def _document(model: Compared) -> dict[str, Any]:
    subject, difference = model.subject, model.difference
    return {
        "model": subject.name,
        **step_document(subject.loaded.step),
        "context": subject.context,
        "stride": subject.stride,
        "loss": model.loss,
        "bits_per_byte": model.bits_per_byte,
        "difference": None if difference is None else difference.mean,
        "standard_error": None if difference is None else difference.standard_error,
        "windows": None if difference is None else difference.n_windows,
    }
