"""``train --list-presets``: all presets, with the memory and time to train them here."""

from dataclasses import asdict, dataclass
from typing import Any

from gptcli.accounting.memory import training_memory
from gptcli.accounting.parameters import exact_count
from gptcli.accounting.workload import Workload
from gptcli.commands.view.answer import Answer
from gptcli.commands.view.numbers import duration
from gptcli.commands.view.tables import Amount, Figure, Table, records
from gptcli.config.training import Precision, TrainConfig
from gptcli.families.registry import PRESETS
from gptcli.training.at_once import rows_at_once
from gptcli.training.defaults import usual_batch
from gptcli.training.estimate import Pace
from gptcli.training.usual_rates import usual_rate

_ITERATIONS = 1000
_COLUMNS = (
    "preset", "params", "memory", "rows x context", "lr", "1,000 iterations", "val loss", "about",
)  # fmt: skip


@dataclass(frozen=True)
class _Cost:
    preset: str
    params: int
    training_bytes: int
    batch_size: int
    block_size: int
    grad_accum: int
    lr: float
    seconds_per_1000: float
    about: str
    val_loss: float | None
    measured_on: str | None


def preset_costs(device: str, precision: Precision, pace: Pace) -> Answer:
    """The costs of all presets; memory is the peak of a training step."""
    costs = _costs(device, precision, pace)
    rows = tuple(
        (
            cost.preset,
            Amount(cost.params),
            Amount(cost.training_bytes, "B"),
            f"{cost.batch_size * cost.grad_accum:,} x {cost.block_size:,}",
            f"{cost.lr:g}",
            duration(cost.seconds_per_1000),
            Figure.of(cost.val_loss, ".3f"),
            PRESETS[cost.preset].summary,
        )
        for cost in costs
    )
    table = Table(f"presets on {device}", _COLUMNS, rows, spare=("about", "lr", "rows x context"))

    presets = [asdict(cost) for cost in costs]

    def document() -> dict[str, Any]:
        return {"device": device, "presets": presets}

    return Answer("gptcli.preset-costs/1", document, (table,), csv=records(presets))


def _costs(device: str, precision: Precision, pace: Pace) -> list[_Cost]:
    costs = []
    for name, preset in PRESETS.items():
        model, n_params = preset.model, exact_count(preset.model)
        batch, accum = usual_batch(preset, device)
        seconds = _ITERATIONS * pace.iteration_seconds(model, batch * accum)
        rows = rows_at_once(batch, model, device)
        on_cpu = device == "cpu"
        work = Workload(model.block_size, rows, precision=precision, on_cpu=on_cpu)
        optimizer = preset.training.get("optimizer", TrainConfig.optimizer)
        measured = preset.measured
        costs.append(
            _Cost(
                preset=name,
                params=n_params,
                training_bytes=training_memory(model, work, optimizer).peak,
                batch_size=batch,
                block_size=model.block_size,
                grad_accum=accum,
                lr=preset.training.get("lr", usual_rate(model)),
                seconds_per_1000=round(seconds, 1),
                about=preset.about,
                val_loss=measured.val_loss if measured else None,
                measured_on=measured.on if measured else None,
            )
        )
    return costs
