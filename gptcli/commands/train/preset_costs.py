"""``train --list-presets``: all presets, with the memory and time to train them here."""

from dataclasses import asdict, dataclass
from typing import Any

from gptcli.accounting.memory import training_memory
from gptcli.accounting.parameters import exact_count
from gptcli.accounting.workload import Workload
from gptcli.commands.view.answer import Answer
from gptcli.commands.view.numbers import duration
from gptcli.commands.view.tables import Amount, Table, records
from gptcli.config.training import Precision
from gptcli.families.registry import PRESETS
from gptcli.training.defaults import usual_batch
from gptcli.training.estimate import Pace

_ITERATIONS = 1000
_COLUMNS = ("preset", "params", "memory", "rows x context", "1,000 iterations", "about")


@dataclass(frozen=True)
class _Cost:
    preset: str
    params: int
    training_bytes: int
    batch_size: int
    block_size: int
    seconds_per_1000: float
    about: str


def preset_costs(device: str, precision: Precision, pace: Pace) -> Answer:
    """The costs of all presets; memory is the peak of a training step."""
    costs = _costs(device, precision, pace)
    rows = tuple(
        (
            cost.preset,
            Amount(cost.params),
            Amount(cost.training_bytes, "B"),
            f"{cost.batch_size} x {cost.block_size:,}",
            duration(cost.seconds_per_1000),
            cost.about,
        )
        for cost in costs
    )
    table = Table(f"presets on {device}", _COLUMNS, rows, spare=("about", "rows x context"))

    presets = [asdict(cost) for cost in costs]

    def document() -> dict[str, Any]:
        return {"device": device, "presets": presets}

    return Answer("gptcli.preset-costs/1", document, (table,), csv=records(presets))


def _costs(device: str, precision: Precision, pace: Pace) -> list[_Cost]:
    costs = []
    for name, preset in PRESETS.items():
        model, n_params = preset.model, exact_count(preset.model)
        rows = usual_batch(preset, device)
        seconds = _ITERATIONS * pace.iteration_seconds(model, rows)
        work = Workload(model.block_size, rows, precision=precision)
        memory = training_memory(model, work).peak
        costs.append(
            _Cost(name, n_params, memory, rows, model.block_size, round(seconds, 1), preset.about)
        )
    return costs
