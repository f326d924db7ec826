"""The events that training reports; commands/ decides how they are shown."""

from dataclasses import dataclass
from typing import Literal

from gptcli.config.training import TrainConfig

Activity = Literal["training", "compiling", "saving"]


@dataclass(frozen=True)
class StepReport:
    """After ``step`` optimizer steps: means since the last report, and the pace.

    ``grad_norm`` is the global norm of the gradient before it is clipped.
    """

    step: int
    loss: float
    lr: float
    tokens_per_second: float
    grad_norm: float


@dataclass(frozen=True)
class EvaluationReport:
    """Losses in nats per token of val and of an equally large part of train."""

    step: int
    train_loss: float
    val_loss: float | None
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
        """An evaluation of a split has seen ``done`` of its ``total`` targets."""

    def evaluated(self, report: EvaluationReport) -> None:
        """An evaluation ended."""

    def planned(self, step: int, config: TrainConfig) -> None:
        """The number of iterations was changed, to end within a time."""

    def warned(self, message: str) -> None:
        """Something went wrong that does not stop the training."""

    def saved(self, step: int) -> None:
        """A resume step was committed."""
