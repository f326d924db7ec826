"""What the training loop asks of an objective, and all that it knows of one.

An objective does the steps of a run, evaluates its model and keeps what a resumed run needs. Who
adds one writes a class with these methods and names it in training/objectives.py.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from gptcli.checkpoint.tensors import Weights
from gptcli.config.training import TrainConfig
from gptcli.errors import CheckpointError

OF_OBJECTIVE = "value."  # with which names of the objective's tensors begin
_HIGH_RATE, _LOW_RATE = 0.1, 1e-3  # a rate that no model learns with, and one that most do

StepValues = Mapping[str, float]
"""The figures of a step by name, as metrics.jsonl has them: ``loss``, ``grad_norm``, ..."""

CheckStop = Callable[[], None]
"""Raises StopAsked where the user has asked to stop."""

Watch = Callable[[str, int, int], None]
"""Shows that ``done`` of ``total`` of a split (its name) are evaluated; may raise StopAsked."""


class StopAsked(Exception):  # noqa: N818
    """Raised within a step or an evaluation when the user has asked to stop."""


@dataclass(frozen=True)
class Figures:
    """What an evaluation found.

    Attributes:
        values: figures by name, such as ``val_loss``; None for one that cannot be had.
        decisive: the best weights are those with the lowest; minus a figure to be raised.
        answers: examples of what the model writes, one line of answers.jsonl each.

    """

    values: Mapping[str, float | None]
    decisive: float
    answers: tuple[Mapping[str, Any], ...] = ()


class Objective(Protocol):
    """One run's way to learn, made by ``objective_of`` for its TrainingRun.

    The loop sets ``config`` anew where the number of iterations changes. What a step does may
    depend on nothing but the configuration, the number of the step, and what is saved: the
    trained weights, the state of the run's optimizers (both are saved for it), and ``state``.
    """

    config: TrainConfig

    def advance(self, step: int) -> None:
        """Do optimizer step number ``step``.

        Raises StopAsked before its update has begun, or not at all; DivergedError, before the
        update, where a number is not finite (``diverged`` words it).
        """

    def figures(self) -> list[StepValues]:
        """The figures of every step since the last call; raises DivergedError as ``advance``."""

    def evaluate(self, step: int, watch: Watch) -> Figures:
        """Evaluate the model after ``step`` steps; changes nothing. Raises StopAsked."""

    def rehearse(self, rows: int) -> None:
        """Compute a gradient over so many rows and forget it, to measure what a step costs."""

    def evaluation_seconds(self) -> float:
        """About how long an evaluation takes, measured on a part of one."""

    def state(self) -> Weights:
        """What else the next step depends on, as a value model, with names in ``value.``."""

    def restore(self, state: Weights) -> None:
        """Put back what ``state`` gave; CheckpointError where it is not of this run."""

    def keep(self, step: int) -> Path | None:
        """Keep what made a step go wrong, to be looked at with --replay; None if nothing is."""


def diverged(step: int, cause: str, config: TrainConfig) -> str:
    """The message for numbers that are not finite; ``cause`` says which."""
    lower = config.lr / 3 if config.lr < _HIGH_RATE else _LOW_RATE
    return (
        f"training diverged at step {step:,} ({cause}); "
        f"what was saved before is good. Try --lr {lower:.1g} or --warmup-iters 200"
    )


def check_nothing_else(state: Weights) -> None:
    """Raise CheckpointError where a state that has to be empty is not."""
    if state:
        raise CheckpointError(f"the saved step holds {min(state)}, which its objective lacks")


def split_state(saved: Weights) -> tuple[Weights, Weights]:
    """The saved state of the run's optimizers, and that of its objective."""
    own = {name: one for name, one in saved.items() if not name.startswith(OF_OBJECTIVE)}
    return own, {name: one for name, one in saved.items() if name not in own}
