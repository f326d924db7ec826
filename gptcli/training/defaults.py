"""Default values for what the user of ``train`` did not give: training/recipe.py says which.

They are merged here with the flags and a preset's own values into a complete configuration.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from gptcli.config.checks import check_whole, counted, flag_with
from gptcli.config.model import ModelConfig
from gptcli.config.objective import LM, ObjectiveConfig
from gptcli.config.training import RATES, TrainConfig
from gptcli.errors import UsageError
from gptcli.families.family import Preset
from gptcli.families.registry import CUSTOM, FAMILIES, family_of
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
    Values,
    affordable_iters,
    most_epochs,
    most_iters,
    sizes,
    sizes_by_time,
    usual_family,
)
from gptcli.training.time_budget import EVALUATIONS
from gptcli.training.usual_rates import (
    LEAST_WITH_MUON,
    NGRAM_TEACHER,
    rounded,
    usual_rate,
    usual_with_muon,
)

TRAIN_FLAGS = tuple(f.name for f in fields(TrainConfig))

# Values that depend on device, family or optimizer: the user is told which are not the usual.
FILLED = (
    "n_layer", "n_head", "n_embd", "block_size", "dropout", "batch_size", "max_iters",
    "eval_interval", "optimizer", "lr", "min_lr", *RATES, "weight_decay", "beta1", "beta2",
    "schedule", "warmup_iters", "ngram_teacher",
)  # fmt: skip

# Flags that are of use only where another one has one of these values.
_ONLY_WITH = {
    "momentum": ("optimizer", ("muon",)),
    "decay_fraction": ("schedule", ("wsd",)),
    "min_lr": ("schedule", ("cosine", "linear", "wsd")),
}

_OF_OPTIMIZER = ("lr", "min_lr", *RATES, "weight_decay", "beta1", "beta2", "momentum")
_PLANNED = ("max_iters", "eval_interval")  # these follow from the time, if one is to be kept
_EVALUATIONS = 6  # after the one before the first step, where no time is to be kept


@dataclass(frozen=True)
class Material:
    """What another objective than lm finds in the train split.

    Attributes:
        n_rows: how many pairs or questions fit into the context.
        n_left_out: how many do not.
        answer_room: how many tokens an answer may have, unless told.
        longest_row: tokens of the longest row: a prompt with its longer answer, or the room.

    """

    n_rows: int
    n_left_out: int = 0
    answer_room: int = 8
    longest_row: int = 1


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
    objective: ObjectiveConfig = LM
    material: Material | None = None


def resolve(
    given: Values,
    preset: Preset | None,
    vocab_size: int,
    device: str,
    precision: str,
    threads: int,
    n_tokens: int | None = None,
    is_countable: bool = False,
    longest_document: int | None = None,
) -> Resolved:
    """Merge flags, preset or family, and the device's defaults; the first of them wins.

    ``n_tokens`` is the length of the text, None where it is not known yet; a countable one can
    be taught by its n-grams. ``longest_document`` is the length of the longest question with
    its answer, where the text is made of such. UsageError where a flag changes what the family
    has fixed, or is of no use to the model.
    """
    seconds = _seconds(given, preset, device)
    has_context = preset is not None or "block_size" in given
    longest = None if has_context else longest_document
    families = (*FAMILIES, CUSTOM.name)
    by_time = sizes_by_time(device, seconds, vocab_size, n_tokens, longest_document, given)
    bases = {
        family: sizes(family, device, n_tokens, longest, by_time, vocab_size) for family in families
    }
    first = usual_family(device, seconds is not None)
    choice = _choice(given, preset, vocab_size, first, bases)
    model, family = choice.model, family_of(choice.model).name
    is_plain = preset is None and (device == "cpu" or family == first == BEST_FAMILY)
    are_answers = model.block_size == longest
    epochs = most_epochs(vocab_size, are_answers)
    plan = _Plan(seconds, n_tokens if is_plain else None, epochs, are_answers)
    machine = {"device": device, "precision": precision, "threads": threads}
    check_has_length(given, seconds)
    known = {**_own_training(preset, family, given), **given, **machine}
    values = _train_values(known, bases[family if preset is None else CLASSIC_FAMILY], model, plan)
    is_best = is_plain and family == BEST_FAMILY and values["optimizer"] == "muon"
    if is_best and is_countable:
        values.setdefault("ngram_teacher", NGRAM_TEACHER)
    if not is_countable and "ngram_teacher" not in given:
        values.pop("ngram_teacher", None)  # a preset's, for other texts
    training = TrainConfig(**values)
    check_rates(given, model)
    _check_use(given, training)
    notes = [choice.note] if choice.note else []
    if preset is None and n_tokens is not None and "block_size" not in given:
        usual = sizes(family, device, None)["block_size"]
        notes += _short_context(model.block_size, usual, n_tokens, longest)
    return Resolved(
        model,
        training,
        _filled(given, model, training, seconds),
        seconds,
        plan.most_iters(training.rows_per_iter * model.block_size),
        tuple(notes),
    )


def usual_batch(preset: Preset, device: str) -> tuple[int, int]:
    """The rows per micro-batch of a preset and the micro-batches per step, unless given."""
    base = sizes(CLASSIC_FAMILY, device, None)
    values = {**base, **preset.training}
    return int(values["batch_size"]), int(values.get("grad_accum", TrainConfig.grad_accum))


@dataclass(frozen=True)
class _Plan:
    """Seconds to train for, if that is how long; the text's length where its epochs limit them.

    ``are_answers``: the text is made of questions with answers, shorter than the usual context.
    """

    seconds: float | None
    n_tokens: int | None
    epochs: int
    are_answers: bool

    def most_iters(self, tokens_per_iter: int) -> int | None:
        """The number of iterations that is enough, if there is one."""
        if self.seconds is None or self.n_tokens is None:
            return None
        return most_iters(tokens_per_iter, self.n_tokens, self.epochs)


def _seconds(given: Values, preset: Preset | None, device: str) -> float | None:
    """How long to train; None where a number of iterations is given or usual."""
    is_timed = preset is None and device == "cpu" and "max_iters" not in given
    seconds: float | None = given.get("time_budget", CPU_SECONDS if is_timed else None)
    return seconds


def check_has_length(given: Values, seconds: float | None) -> None:
    """UsageError where a deterministic run is to take a time, and not a number of steps."""
    if given.get("deterministic") and seconds is not None:
        raise UsageError(
            "--deterministic needs --max-iters, such as --max-iters 1000: how many steps fit into "
            "a time depends on the machine"
        )


def _choice(
    given: Values,
    preset: Preset | None,
    vocab_size: int,
    first: str,
    bases: Mapping[str, Values],
) -> ModelChoice:
    if preset is not None:
        return model_of_preset(preset, given, bases[CLASSIC_FAMILY], vocab_size)
    if "family" in given:
        return model_of_family(given["family"], given, bases, vocab_size)
    return fitting_model(first, given, bases, vocab_size)


def _own_training(preset: Preset | None, family: str, given: Values) -> Values:
    """The training values that come with a preset, or with a family."""
    if preset is None:
        return {"optimizer": "muon"} if family == BEST_FAMILY else {}
    values = dict(preset.training)
    own = values.get("optimizer", TrainConfig.optimizer)
    if given.get("optimizer", own) != own:  # rates are an optimizer's own
        values = {name: value for name, value in values.items() if name not in _OF_OPTIMIZER}
    if "lr" in given and "lr" in values and values.get("min_lr") == values["lr"]:
        values["min_lr"] = given["lr"]  # the preset's rate is constant: keep it so
    return values


def _train_values(known: Values, base: Values, model: ModelConfig, plan: _Plan) -> dict[str, Any]:
    """All training values that have no default of their own: batch, length, rates."""
    values = {name: known[name] for name in TRAIN_FLAGS if name in known}
    values.setdefault("optimizer", TrainConfig.optimizer)
    values.setdefault("batch_size", base["batch_size"])
    for name in ("batch_size", "grad_accum"):  # before they divide
        check_whole(name, values.get(name, 1), 1)
    if plan.seconds is not None:
        values.setdefault("schedule", "wsd")  # flat until the number of steps is measured
    if plan.seconds is not None or "max_iters" not in values:
        values["max_iters"] = _iters(values, base, model, plan)
    if values["optimizer"] == "muon":
        tokens = values["batch_size"] * values.get("grad_accum", 1) * model.block_size
        usual = usual_with_muon(model, tokens, values["max_iters"], plan.are_answers)
        values = {**usual, **values}
    values.setdefault("lr", usual_rate(model))
    rate, is_muon = values["lr"], values["optimizer"] == "muon"
    least = rounded(rate * LEAST_WITH_MUON) if is_muon else rate / 10
    values.setdefault("min_lr", least)
    values.setdefault("warmup_iters", min(100, values["max_iters"] // 10))
    evaluations = _EVALUATIONS if plan.seconds is None else EVALUATIONS
    values.setdefault("eval_interval", max(1, -(-values["max_iters"] // evaluations)))
    return values


def _iters(values: Values, base: Values, model: ModelConfig, plan: _Plan) -> int:
    """As many as the time affords and the text needs; without a time the usual number."""
    if plan.seconds is None and "max_iters" in base:
        return int(base["max_iters"])
    rows = values["batch_size"] * values.get("grad_accum", 1)
    seconds = CPU_SECONDS if plan.seconds is None else plan.seconds
    affordable = affordable_iters(model, rows, values["device"], values["precision"], seconds)
    most = plan.most_iters(rows * model.block_size)
    return affordable if most is None else min(affordable, most)


def _check_use(given: Values, training: TrainConfig) -> None:
    """Raise UsageError for a flag that changes nothing with this optimizer or schedule."""
    for name, (other, useful) in _ONLY_WITH.items():
        has = getattr(training, other)
        if name in given and has not in useful:
            raise UsageError(
                f"{flag_with(name, given[name])} has no effect with {flag_with(other, has)}: "
                f"leave it out, or give {flag_with(other, useful[0])}"
            )


def _filled(
    given: Values, model: ModelConfig, training: TrainConfig, seconds: float | None
) -> dict[str, Any]:
    """What the user did not give and is not as usual; nothing that the time will change."""
    chosen = {**asdict(model), **asdict(training)}
    usual = {field.name: field.default for field in fields(TrainConfig)}
    planned = () if seconds is None else _PLANNED
    filled = {
        name: chosen[name]
        for name in FILLED
        if name not in given and name not in planned and chosen[name] != usual.get(name)
    }
    if seconds is not None and "time_budget" not in given:
        filled["time_budget"] = f"{seconds / 60:g}m"
    return filled


def _short_context(context: int, usual: int, n_tokens: int, longest: int | None) -> list[str]:
    """The note about a context that is shorter than usual, if it is: why it is so."""
    if context >= usual:
        return []
    tokens = counted(context, "token")
    if context == longest:
        return [f"context: {tokens}, the longest question with its answer"]
    return [f"context: {tokens}, since the text has only {n_tokens:,} to train on"]
