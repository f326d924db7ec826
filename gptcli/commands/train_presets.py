"""``train --list-presets``: the models by name, with what training them takes here."""

from dataclasses import asdict, dataclass
from typing import Any

from gptcli.accounting.parameters import exact_count
from gptcli.commands.durations import spoken
from gptcli.commands.params_answer import Answer
from gptcli.commands.sheets import Amount, Sheet
from gptcli.config.presets import PRESETS
from gptcli.training.defaults import usual_batch
from gptcli.training.pace import Pace
from gptcli.training.setup import BYTES_PER_PARAMETER

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


def presets_answer(device: str, pace: Pace) -> Answer:
    """Memory is that of weights, gradients and optimizer; activations come on top."""
    costs = _costs(device, pace)
    rows = tuple(
        (
            cost.preset,
            Amount(cost.params),
            Amount(cost.training_bytes, "B"),
            f"{cost.batch_size} x {cost.block_size:,}",
            spoken(cost.seconds_per_1000),
            cost.about,
        )
        for cost in costs
    )
    sheet = Sheet(f"presets on {device}", _COLUMNS, rows, spare=("about", "rows x context"))

    def document() -> dict[str, Any]:
        presets = [asdict(cost) for cost in costs]
        return {"schema": "gptcli.presets/1", "device": device, "presets": presets}

    return Answer([sheet], sheet, document)


def _costs(device: str, pace: Pace) -> list[_Cost]:
    costs = []
    for name, preset in PRESETS.items():
        model, n_params = preset.model, exact_count(preset.model)
        rows = usual_batch(preset, device)
        seconds = _ITERATIONS * pace.iteration_seconds(model, rows)
        memory = BYTES_PER_PARAMETER * n_params
        costs.append(
            _Cost(name, n_params, memory, rows, model.block_size, round(seconds, 1), preset.about)
        )
    return costs
