"""``train --replay``: a step that went wrong, seen part by part."""

from dataclasses import asdict, replace
from pathlib import Path

from gptcli.commands.computing import chosen_device
from gptcli.commands.train.command import TrainRequest
from gptcli.commands.view.answer import Answer, Document
from gptcli.commands.view.drawing import quoted
from gptcli.commands.view.tables import Amount, Cell, Figure, Table, facts
from gptcli.config.training import Precision
from gptcli.training.blackbox import Kept, StepAnatomy, dissected, read_kept
from gptcli.training.preflight import training_memory_errors

_ROWS = 5  # with the largest losses
_SHOWN = 60  # characters of a row


def replayed(directory: Path, request: TrainRequest) -> Answer:
    """Compute the step in a blackbox again, and show its parts and its worst rows."""
    kept = read_kept(directory, chosen_device(request.device))
    precision: Precision = kept.training.precision
    if request.is_given("precision") and request.precision != "auto":
        precision = request.precision  # type: ignore[assignment]  # checked by its choices
    training = replace(kept.training, precision=precision)
    with training_memory_errors(kept.loaded.model.config, training):
        anatomy = dissected(kept.loaded.model, kept.batch, training)

    def document() -> Document:
        return {
            "blackbox": directory.as_posix(),
            "step": kept.batch.step,
            "device": training.device,
            "precision": precision,
            **asdict(anatomy),
        }

    about: dict[str, Cell] = {
        "step": kept.batch.step,
        "loss": Figure(anatomy.loss, f"{anatomy.loss:.4g}"),
        "gradient norm": Figure(anatomy.gradient_norm, f"{anatomy.gradient_norm:.4g}"),
        "precision": precision,
    }
    tables = (facts("", about.items()), _parts_table(anatomy), _rows_table(anatomy, kept))
    return Answer("gptcli.replay/1", document, tables, csv=tables[1])


def _parts_table(anatomy: StepAnatomy) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (
            part.name,
            Figure(part.largest, f"{part.largest:.3g}"),
            Amount(part.not_finite),
            Figure(part.gradient_norm, f"{part.gradient_norm:.3g}"),
        )
        for part in anatomy.parts
    ]
    columns = ("part", "largest value", "not finite", "gradient norm")
    return Table("What each part gives", columns, tuple(rows), stacks=True)


def _rows_table(anatomy: StepAnatomy, kept: Kept) -> Table:
    """The rows with the largest losses; those that are no numbers first."""
    losses = anatomy.row_losses
    order = sorted(range(len(losses)), key=lambda row: (losses[row] == losses[row], -losses[row]))
    rows: list[tuple[Cell, ...]] = [
        (row, Figure(losses[row], f"{losses[row]:.4g}"), quoted(_text(kept, row)))
        for row in order[:_ROWS]
    ]
    title = f"{len(rows)} of {len(losses)} rows, the largest loss first"
    return Table(title, ("row", "loss", "text"), tuple(rows), clips=True)


def _text(kept: Kept, row: int) -> str:
    text: str = kept.loaded.tokenizer.decode(kept.batch.tokens[row].tolist())
    return text[:_SHOWN]
