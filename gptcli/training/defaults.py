"""Default values for what the user of ``train`` did not give, chosen for the device.

On a GPU these are the lecture's values. On a CPU they make a run that ends in about ten
minutes on two cores: the number of iterations follows from the cost of one, or is measured
(training/time_budget.py). A nanochat model is trained with Muon, the others with AdamW.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from gptcli.accounting.flops import sequence_flops
from gptcli.config.checks import check_whole
from gptcli.config.model import ModelConfig
from gptcli.config.training import RATES, TrainConfig
from gptcli.families.family import Preset
from gptcli.families.registry import family_of
from gptcli.families.shapes import parameter_groups
from gptcli.training.chosen_model import (
    USUAL_FAMILY,
    Values,
    check_rates,
    fitting_model,
    model_of_family,
    model_of_preset,
)
from gptcli.training.time_budget import EVALUATIONS

TRAIN_FLAGS = tuple(f.name for f in fields(TrainConfig))

_MUON_FAMILY = "nanochat"

_GPU = {
    "n_layer": 6, "n_head": 6, "head_size": 64, "block_size": 256,
    "batch_size": 64, "max_iters": 5000, "dropout": 0.2,
}  # fmt: skip
_CPU = {
    "n_layer": 6, "n_head": 6, "head_size": 32, "block_size": 128, "batch_size": 16, "dropout": 0.0,
}  # fmt: skip
_MUON_ON_CPU = {**_CPU, "block_size": 256}

# The rates of Muon's matrices and of what AdamW updates beside it, as in the best run so far.
_WITH_MUON = {
    "lr": 0.03, "weight_decay": 0.2, "embedding_lr": 4e-3, "head_lr": 4e-3, "vector_lr": 4e-3,
    "beta1": 0.8, "beta2": 0.95, "schedule": "wsd", "warmup_iters": 0,
}  # fmt: skip
_LEAST_WITH_MUON = 0.02  # of the full rate, at the end of the decay

# Values that depend on device, family or optimizer: the user is told which are not the usual.
FILLED = (
    "n_layer", "n_head", "n_embd", "block_size", "dropout", "batch_size", "max_iters",
    "eval_interval", "optimizer", "lr", "min_lr", *RATES, "weight_decay", "beta1", "beta2",
    "schedule", "warmup_iters",
)  # fmt: skip

CPU_SECONDS = 600
_EVALUATIONS = 6  # after the one before the first step, where no time is to be kept
# What two cores of a current server or laptop sustain in training, in FLOP/s.
_CPU_FLOPS = {"float32": 130e9, "bfloat16": 200e9}


@dataclass(frozen=True)
class Resolved:
    """A complete configuration, and which of its values the user did not give.

    With a ``time_budget`` in seconds, ``max_iters`` is provisional: training/time_budget.py sets
    it when it is known how long a step takes.
    """

    model: ModelConfig
    training: TrainConfig
    filled: Mapping[str, Any]
    time_budget: float | None = None
    family_note: str | None = None


def resolve(
    given: Values, preset: Preset | None, vocab_size: int, device: str, precision: str, threads: int
) -> Resolved:
    """Merge flags, preset or family, and the device's defaults; the first of them wins.

    UsageError where a flag changes what the family has fixed, or is of no use to the model.
    """
    machine = {"device": device, "precision": precision, "threads": threads}
    name = given.get("family", USUAL_FAMILY)
    base = _sizes(name if preset is None else USUAL_FAMILY, device)
    own: Values = {} if preset is None else _preset_training(preset, given)
    if preset is not None:
        choice = model_of_preset(preset, given, base, vocab_size)
    elif "family" in given:
        choice = model_of_family(name, given, base, vocab_size)
    else:
        choice = fitting_model(given, base, vocab_size)
    model = choice.model
    known = {**own, **given, **machine}
    is_muons = preset is None and family_of(model).name == _MUON_FAMILY
    known.setdefault("optimizer", "muon" if is_muons else "adamw")
    budget = given.get("time_budget")
    training = TrainConfig(**_train_values(known, base, model, budget))
    check_rates(given, model)
    whole = {**asdict(model), **asdict(training)}
    usual = {field.name: field.default for field in fields(TrainConfig)}
    filled = {
        name: whole[name] for name in FILLED if name not in given and whole[name] != usual.get(name)
    }
    return Resolved(model, training, filled, budget, choice.note)


def usual_batch(preset: Preset, device: str) -> tuple[int, int]:
    """The rows per micro-batch of a preset and the micro-batches per step, unless given."""
    values: Values = {**_sizes(USUAL_FAMILY, device), **preset.training}
    return int(values["batch_size"]), int(values.get("grad_accum", TrainConfig.grad_accum))


def _sizes(family: str, device: str) -> Values:
    if device != "cpu":
        return _GPU
    return _MUON_ON_CPU if family == _MUON_FAMILY else _CPU


def _preset_training(preset: Preset, given: Values) -> Values:
    values = dict(preset.training)
    if "lr" in given and "lr" in values and values.get("min_lr") == values["lr"]:
        values["min_lr"] = given["lr"]  # the preset's rate is constant: keep it so
    return values


def _train_values(
    known: Values, base: Values, model: ModelConfig, budget: float | None
) -> dict[str, Any]:
    values = {name: known[name] for name in TRAIN_FLAGS if name in known}
    values.setdefault("batch_size", base["batch_size"])
    for name in ("batch_size", "grad_accum"):  # before they divide
        check_whole(name, values.get(name, 1), 1)
    if budget is not None:
        values.setdefault("schedule", "wsd")  # flat until the number of steps is measured
    elif "max_iters" in base:
        values.setdefault("max_iters", base["max_iters"])
    if budget is not None or "max_iters" not in values:
        rows = values["batch_size"] * values.get("grad_accum", 1)
        seconds = CPU_SECONDS if budget is None else budget
        values["max_iters"] = _affordable_iters(model, rows, values["precision"], seconds)
    if values["optimizer"] == "muon":
        groups = parameter_groups(model)
        for name, value in _WITH_MUON.items():
            if RATES.get(name, "matrix") in groups:
                values.setdefault(name, value)
        values.setdefault("min_lr", values["lr"] * _LEAST_WITH_MUON)
    values.setdefault("lr", usual_rate(model))
    values.setdefault("min_lr", values["lr"] / 10)
    values.setdefault("warmup_iters", min(100, values["max_iters"] // 10))
    evaluations = _EVALUATIONS if budget is None else EVALUATIONS
    values.setdefault("eval_interval", max(1, -(-values["max_iters"] // evaluations)))
    return values


def usual_rate(model: ModelConfig) -> float:
    """The default learning rate: inversely proportional to the width (Yang et al. 2022).

    The constant is measured: a width of 128 learns best near 4e-3 (Tiny Shakespeare), and
    GPT-2's 768 is commonly trained at 6e-4.
    """
    return float(f"{min(4e-3, 0.5 / model.n_embd):.2g}")


def _affordable_iters(model: ModelConfig, rows: int, precision: str, seconds: float) -> int:
    """The number of iterations that take about this long, rounded."""
    cost = rows * sequence_flops(model, model.block_size).training_full
    iters = seconds * _CPU_FLOPS[precision] / cost
    return max(10, round(iters, -2 if iters >= 1000 else -1).__trunc__())
