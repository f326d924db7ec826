"""Default values for what the user of ``train`` did not give: training/recipe.py says which.

They are merged here with the flags and a preset's own values into a complete configuration.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from gptcli.config.checks import check_whole, counted
from gptcli.config.model import ModelConfig
from gptcli.config.training import RATES, TrainConfig
from gptcli.families.family import Preset
from gptcli.families.registry import CUSTOM, FAMILIES, family_of
from gptcli.families.shapes import parameter_groups
from gptcli.training.chosen_model import (
    ModelChoice,
    check_rates,
    fitting_model,
    model_of_family,
    model_of_preset,
)
from gptcli.training.recipe import (
    BEST_FAMILY,
    CLASSIC_FAMILY,
    CPU_SECONDS,
    LEAST_WITH_MUON,
    NGRAM_TEACHER,
    WITH_MUON,
    Values,
    affordable_iters,
    most_iters,
    regularization,
    sizes,
    usual_family,
    usual_rate,
)
from gptcli.training.time_budget import EVALUATIONS

TRAIN_FLAGS = tuple(f.name for f in fields(TrainConfig))

# Values that depend on device, family or optimizer: the user is told which are not the usual.
FILLED = (
    "n_layer", "n_head", "n_embd", "block_size", "dropout", "batch_size", "max_iters",
    "eval_interval", "optimizer", "lr", "min_lr", *RATES, "weight_decay", "beta1", "beta2",
    "schedule", "warmup_iters", "ngram_teacher",
)  # fmt: skip

_PLANNED = ("max_iters", "eval_interval")  # these follow from the time, if one is to be kept
_EVALUATIONS = 6  # after the one before the first step, where no time is to be kept


@dataclass(frozen=True)
class Resolved:
    """A complete configuration, and which of its values the user did not give.

    With a ``time_budget`` in seconds, ``max_iters`` is provisional: training/time_budget.py sets
    it when it is known how long a step takes, at most ``most_iters``. ``notes`` tell what was
    chosen for a reason that the user does not see.
    """

    model: ModelConfig
    training: TrainConfig
    filled: Mapping[str, Any]
    time_budget: float | None = None
    most_iters: int | None = None
    notes: tuple[str, ...] = ()


def resolve(
    given: Values,
    preset: Preset | None,
    vocab_size: int,
    device: str,
    precision: str,
    threads: int,
    n_tokens: int | None = None,
    is_countable: bool = False,
) -> Resolved:
    """Merge flags, preset or family, and the device's defaults; the first of them wins.

    ``n_tokens`` is the length of the text, None where it is not known yet; a countable one can
    be taught by its n-grams. UsageError where a flag changes what the family has fixed, or is
    of no use to the model.
    """
    budget = given.get("time_budget")
    if budget is None and preset is None and device == "cpu" and "max_iters" not in given:
        budget = CPU_SECONDS
    bases = {
        family: sizes(family, device, budget, vocab_size, n_tokens)
        for family in (*FAMILIES, CUSTOM.name)
    }
    choice = _choice(given, preset, vocab_size, device, bases)
    model, family = choice.model, family_of(choice.model).name
    base = bases[family if preset is None else CLASSIC_FAMILY]
    machine = {"device": device, "precision": precision, "threads": threads}
    own: Values = {} if preset is None else _preset_training(preset, given)
    known = {**own, **given, **machine}
    if preset is None and family == BEST_FAMILY:
        known.setdefault("optimizer", "muon")
    is_planned_here = preset is None and device == "cpu"
    plan = _Plan(budget, n_tokens if is_planned_here else None)
    values = _train_values(known, base, model, plan)
    if is_planned_here and family == BEST_FAMILY:
        model, values = _regularized(model, values, given, n_tokens)
        if is_countable and values["optimizer"] == "muon":
            values.setdefault("ngram_teacher", NGRAM_TEACHER)
    training = TrainConfig(**values)
    check_rates(given, model)
    whole = {**asdict(model), **asdict(training)}
    usual = {field.name: field.default for field in fields(TrainConfig)}
    filled = {
        name: whole[name]
        for name in FILLED
        if name not in given
        and whole[name] != usual.get(name)
        and (budget is None or name not in _PLANNED)
    }
    if budget is not None and "time_budget" not in given:
        filled["time_budget"] = f"{budget / 60:g}m"
    notes = [choice.note] if choice.note else []
    if n_tokens is not None and preset is None and "block_size" not in given:
        usual_context = sizes(family, device, budget, vocab_size, None)["block_size"]
        if model.block_size < usual_context:
            notes.append(
                f"context: {counted(model.block_size, 'token')}, since the text has only "
                f"{n_tokens:,} to train on"
            )
    most = None if budget is None else plan.most_iters(training.rows_per_iter * model.block_size)
    return Resolved(model, training, filled, budget, most, tuple(notes))


def usual_batch(preset: Preset, device: str) -> tuple[int, int]:
    """The rows per micro-batch of a preset and the micro-batches per step, unless given."""
    base = sizes(CLASSIC_FAMILY, device, None, preset.model.vocab_size, None)
    values = {**base, **preset.training}
    return int(values["batch_size"]), int(values.get("grad_accum", TrainConfig.grad_accum))


@dataclass(frozen=True)
class _Plan:
    """Seconds to train for, if that is how long; the text's length where it limits them."""

    seconds: float | None
    n_tokens: int | None

    def most_iters(self, tokens_per_iter: int) -> int | None:
        """The number of iterations that is enough, if there is one."""
        return None if self.n_tokens is None else most_iters(tokens_per_iter, self.n_tokens)


def _choice(
    given: Values,
    preset: Preset | None,
    vocab_size: int,
    device: str,
    bases: Mapping[str, Values],
) -> ModelChoice:
    if preset is not None:
        return model_of_preset(preset, given, bases[CLASSIC_FAMILY], vocab_size)
    if "family" in given:
        return model_of_family(given["family"], given, bases, vocab_size)
    return fitting_model(usual_family(device), given, bases, vocab_size)


def _preset_training(preset: Preset, given: Values) -> Values:
    values = dict(preset.training)
    if "lr" in given and "lr" in values and values.get("min_lr") == values["lr"]:
        values["min_lr"] = given["lr"]  # the preset's rate is constant: keep it so
    return values


def _train_values(known: Values, base: Values, model: ModelConfig, plan: _Plan) -> dict[str, Any]:
    values = {name: known[name] for name in TRAIN_FLAGS if name in known}
    values.setdefault("optimizer", TrainConfig.optimizer)
    values.setdefault("batch_size", base["batch_size"])
    for name in ("batch_size", "grad_accum"):  # before they divide
        check_whole(name, values.get(name, 1), 1)
    rows = values["batch_size"] * values.get("grad_accum", 1)
    if plan.seconds is not None:
        values.setdefault("schedule", "wsd")  # flat until the number of steps is measured
        affordable = affordable_iters(model, rows, values["precision"], plan.seconds)
        most = plan.most_iters(rows * model.block_size)
        values["max_iters"] = affordable if most is None else min(affordable, most)
    elif "max_iters" not in values:
        values["max_iters"] = base.get("max_iters") or affordable_iters(
            model, rows, values["precision"], CPU_SECONDS
        )
    if values["optimizer"] == "muon":
        groups = parameter_groups(model)
        for name, value in WITH_MUON.items():
            if RATES.get(name, "matrix") in groups:
                values.setdefault(name, value)
        values.setdefault("min_lr", values["lr"] * LEAST_WITH_MUON)
    values.setdefault("lr", usual_rate(model))
    values.setdefault("min_lr", values["lr"] / 10)
    values.setdefault("warmup_iters", min(100, values["max_iters"] // 10))
    evaluations = _EVALUATIONS if plan.seconds is None else EVALUATIONS
    values.setdefault("eval_interval", max(1, -(-values["max_iters"] // evaluations)))
    return values


def _regularized(
    model: ModelConfig, values: dict[str, Any], given: Values, n_tokens: int | None
) -> tuple[ModelConfig, dict[str, Any]]:
    """The same with dropout and weight decay for the number of epochs, unless they are given."""
    if n_tokens is None or values["optimizer"] != "muon":
        return model, values
    tokens = values["batch_size"] * values.get("grad_accum", 1) * model.block_size
    chosen = regularization(values["max_iters"] * tokens / max(1, n_tokens))
    if "dropout" not in given:
        model = replace(model, dropout=chosen["dropout"])
    if "weight_decay" not in given:
        values = {**values, "weight_decay": chosen["weight_decay"]}
    return model, values
