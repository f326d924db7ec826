"""The command with ``--max-iters`` that repeats a run whose steps followed from a time."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gptcli.checkpoint.run import RunRecord
from gptcli.commands.train.command import MODEL_AND_TRAINING, TrainRequest
from gptcli.config.checks import flag_with
from gptcli.config.model import ModelConfig
from gptcli.config.training import TrainConfig
from gptcli.families.registry import TRAINABLE, family_of
from gptcli.runtime.escapes import typed
from gptcli.training.defaults import Resolved
from gptcli.training.estimate import is_worth_compiling

_LEADING = ("positions", "norm", "qk_norm", "gated", "activation", "bias", "tied", "optimizer")
"""Flags from which other values follow: they are given first."""

_ROUNDS = 6  # more than are needed: values follow from a flag, and others from those

Resolve = Callable[[Mapping[str, Any]], Resolved]


def repeating_command(
    request: TrainRequest, data: Path, model: ModelConfig, training: TrainConfig, resolve: Resolve
) -> str | None:
    """The command for the same weights, None where no flags can say it.

    Only flags without which ``train --max-iters N`` would choose another value are in it.
    ``resolve`` merges given values with what ``train`` chooses on this machine for this text.
    """
    given: dict[str, Any] = {"max_iters": training.max_iters}
    wanted = {**asdict(model), **asdict(training)}
    written = {**wanted, **model.whole()}  # a number in place of None for a usual size
    if request.preset is None and request.init_from is None:
        family = family_of(model).name
        if family in TRAINABLE and family != family_of(resolve(given).model).name:
            given["family"] = family
    for _ in range(_ROUNDS):
        chosen = resolve(given)
        has = {**asdict(chosen.model), **asdict(chosen.training), "compile": training.compile}
        differing = {name for name in wanted if wanted[name] != has[name]}
        if not differing:
            words = ["gptcli train", *_places(request, data)]
            words += [flag_with(name, value) for name, value in given.items()]
            if training.compile != is_worth_compiling("auto", chosen):
                words.append(f"--compile {'on' if training.compile else 'off'}")
            return " ".join(words)
        more = [
            name
            for name in MODEL_AND_TRAINING
            if name in differing and written[name] is not None and given.get(name) != written[name]
        ]
        if not more:
            return None
        leading = [name for name in more if name in _LEADING]
        given |= {name: written[name] for name in leading or more}
    return None


def _places(request: TrainRequest, data: Path) -> Iterator[str]:
    """What is trained and where, as it was given; the dataset is always named."""
    yield f"--data {typed(data)}"
    for name in ("preset", "init_from"):
        if request.is_given(name):
            yield flag_with(name, typed(getattr(request, name)))
    for name in ("device", "precision", "objective"):
        if request.is_given(name):
            yield flag_with(name, getattr(request, name))
    for name, value in request.of_objective.items():
        yield flag_with(name, typed(value))


def repetition_note(record: RunRecord, why_not: str | None) -> str | None:
    """How to repeat a finished run of a time, or why that is not possible; None for any other."""
    if record.time_budget is None:
        return None
    if record.repeat is not None:
        return f"the same again: {record.repeat}"
    if why_not is not None:
        return f"no number of steps repeats this run: {why_not}"
    return None
