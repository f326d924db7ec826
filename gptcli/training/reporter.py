"""The events that training reports; commands/ decides how they are shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from gptcli.config.training import TrainConfig

Activity = Literal["training", "compiling", "saving"]


@dataclass(frozen=True)
class StepReport:
    """After ``step`` optimizer steps: means since the last report, and the pace.

    ``values`` are figures by name, as ``loss`` and ``grad_norm``, the global norm of the gradient
    before it is clipped. The ``pace`` counts what the run counts: tokens, pairs or rollouts a
    second.
    """

    step: int
    values: Mapping[str, float]
    lr: float
    pace: float


@dataclass(frozen=True)
class EvaluationReport:
    """Figures by name, as ``val_loss`` in nats per token; None for one that cannot be had."""

    step: int
    values: Mapping[str, float | None]
    is_best: bool


class Reporter:
    """Receives the events of a run in order; does nothing with those that it does not override."""

    def doing(self, activity: Activity) -> None:
        """Another activity begins."""

    def advanced(self, step: int) -> None:
        """An optimizer step was done, so that there are ``step`` now; its figures come later."""

    def stepped(self, report: StepReport) -> None:
        """Some optimizer steps were done and logged."""

    def evaluating(self, split: str, done: int, total: int) -> None:
        """An evaluation of a split has seen ``done`` of its ``total``."""

    def evaluated(self, report: EvaluationReport) -> None:
        """An evaluation ended."""

    def planned(self, step: int, config: TrainConfig) -> None:
        """The number of iterations was changed, to end within a time."""

    def warned(self, message: str) -> None:
        """Something went wrong that does not stop the training."""

    def saved(self, step: int) -> None:
        """A resume step was committed."""
