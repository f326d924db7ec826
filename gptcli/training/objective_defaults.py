"""Default values of every objective but lm: batches, iterations and rates, as first measured.

The model is that of --init-from without dropout, so that the policy that writes is the one that is
trained; AdamW trains it, and no weight decays towards zero.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any

from gptcli.config.checks import check_whole, flag_with
from gptcli.config.model import ModelConfig
from gptcli.config.objective import (
    GroupPolicy,
    ObjectiveConfig,
    ObjectiveKind,
    RewardModeling,
    learns_from_rewards,
)
from gptcli.config.training import TrainConfig
from gptcli.errors import UsageError
from gptcli.training.defaults import FILLED, TRAIN_FLAGS, Material, Resolved, check_has_length
from gptcli.training.recipe import Values
from gptcli.training.time_budget import EVALUATIONS
from gptcli.training.usual_rates import rounded, usual_rate

_EVALUATIONS = 6  # after the one before the first step, where no time is to be kept


@dataclass(frozen=True)
class _Usual:
    """Rows of a step, by what the usual rate is divided, and iterations: None for one epoch."""

    rows: int
    slower: float
    iters: int | None = None


_USUAL: Mapping[str, _Usual] = MappingProxyType(
    {
        "reward": _Usual(32, 10),
        "dpo": _Usual(32, 750),
        "ppo": _Usual(128, 50, 120),
        "grpo": _Usual(256, 24, 200),
    }
)


def model_for(kind: ObjectiveKind, start: ModelConfig) -> ModelConfig:
    """The model of the checkpoint, as the objective trains it."""
    model = start.scoring() if kind is RewardModeling else start
    return replace(model, dropout=0.0)


def resolve_objective(
    kind: ObjectiveKind,
    given: Values,
    start: ModelConfig,
    machine: Mapping[str, Any],
    material: Material,
) -> Resolved:
    """Merge flags and the objective's defaults into a complete configuration.

    ``start`` is the model of --init-from, ``machine`` has device, precision and threads.
    UsageError where a value is not possible.
    """
    model, usual = model_for(kind, start), _USUAL[kind.name]
    objective = _objective(kind, given, material)
    values = {name: given[name] for name in TRAIN_FLAGS if name in given}
    values = {"weight_decay": 0.0, "optimizer": "adamw", **values, **machine}
    values |= _batch(usual.rows, values)
    rows, seconds = values["batch_size"] * values["grad_accum"], given.get("time_budget")
    check_has_length(given, seconds)
    if isinstance(objective, GroupPolicy):
        _check_groups(objective.group_size, rows)
    one_epoch = math.ceil(material.n_rows / rows)
    values.setdefault("max_iters", one_epoch if usual.iters is None else usual.iters)
    values.setdefault("lr", rounded(usual_rate(model) / usual.slower))
    values.setdefault("min_lr", rounded(values["lr"] / 10))
    values.setdefault("warmup_iters", min(100, values["max_iters"] // 10))
    evaluations = _EVALUATIONS if seconds is None else EVALUATIONS
    values.setdefault("eval_interval", max(1, -(-values["max_iters"] // evaluations)))
    if seconds is not None:
        values.setdefault("schedule", "wsd")  # flat until the number of steps is measured
    training = TrainConfig(**values)
    most = one_epoch if usual.iters is None else None
    filled = _filled(given, training, objective)
    return Resolved(model, training, filled, seconds, most, objective=objective, material=material)


def check_objective_values(kind: ObjectiveKind, given: Values) -> None:
    """Raise UsageError as ``resolve_objective`` would on a CPU, without checkpoint and data."""
    some = ModelConfig(n_layer=1, n_head=1, n_embd=128, block_size=128, vocab_size=256)
    machine = {"device": "cpu", "precision": "float32", "threads": 0}
    resolve_objective(kind, given, some, machine, Material(1000))


def _objective(kind: ObjectiveKind, given: Values, material: Material) -> ObjectiveConfig:
    names = {one.name for one in fields(kind)}
    values = {name: given[name] for name in names & given.keys()}
    if learns_from_rewards(kind):
        values.setdefault("max_new_tokens", material.answer_room)
    return kind(**values)


def _batch(rows: int, given: Values) -> dict[str, int]:
    """Rows per micro-batch and micro-batches per step, of which one may be given."""
    for name in ("batch_size", "grad_accum"):  # before they divide
        check_whole(name, given.get(name, 1), 1)
    if "batch_size" in given:
        return {"batch_size": given["batch_size"], "grad_accum": given.get("grad_accum", 1)}
    parts = given.get("grad_accum", 1)
    return {"batch_size": max(1, rows // parts), "grad_accum": parts}


def _check_groups(size: int, rows: int) -> None:
    if rows % size == 0:
        return
    divisors = [number for number in range(2, rows + 1) if rows % number == 0]
    way = f"leave --group-size out, and take {2 * size} rows or a multiple of that"
    if divisors:
        way = f"try {flag_with('group_size', min(divisors, key=lambda one: abs(one - size)))}"
    raise UsageError(
        f"--group-size {size} does not divide the {rows} answers of an iteration (--batch-size "
        f"times --grad-accum): {way}"
    )


def _filled(given: Values, training: TrainConfig, objective: ObjectiveConfig) -> dict[str, Any]:
    """What the user did not give and is not as usual with lm, and the objective's own values."""
    usual = {one.name: one.default for one in fields(TrainConfig)}
    planned = ("max_iters", "eval_interval") if "time_budget" in given else ()
    shown = (*FILLED, "grad_accum")
    names = [one.name for one in fields(TrainConfig) if one.name in shown]
    filled = {
        name: getattr(training, name)
        for name in names
        if name not in (*given, *planned) and getattr(training, name) != usual[name]
    }
    own = {one.name: getattr(objective, one.name) for one in fields(objective)}
    return filled | {name: value for name, value in own.items() if name not in given}
