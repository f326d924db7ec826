"""The events that training reports; commands/ decides how they are shown."""

from dataclasses import dataclass
from typing import Protocol

from gptcli.config.training import TrainConfig


@dataclass(frozen=True)
class StepReport:
    """After ``step`` optimizer steps: mean loss since the last report, and the pace."""

    step: int
    loss: float
    lr: float
    tokens_per_second: float


@dataclass(frozen=True)
class EvaluationReport:
    """Losses in nats per token of val and of an equally large part of train."""

    step: int
    train_loss: float
    val_loss: float | None
    is_best: bool


class Reporter(Protocol):
    """Receives the events of a run in order."""

    def stepped(self, report: StepReport) -> None:
        """Some optimizer steps were done."""

    def evaluating(self, done: int) -> None:
        """An evaluation of a split has seen ``done`` targets so far."""

    def evaluated(self, report: EvaluationReport) -> None:
        """An evaluation ended."""

    def planned(self, step: int, config: TrainConfig) -> None:
        """The number of iterations was changed, to end within a time."""

    def warned(self, message: str) -> None:
        """Something went wrong that does not stop the training."""

    def saved(self, step: int) -> None:
        """A resume step was committed."""
