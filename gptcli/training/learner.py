"""A model that is trained, with its optimizers, and the check before each update.

For objectives that wait for the figures of every step.
"""

import math
from dataclasses import dataclass

import torch

from gptcli.config.training import TrainConfig
from gptcli.errors import DivergedError
from gptcli.model.gpt import GPT
from gptcli.training.optimizers import Optimizers, set_rates
from gptcli.training.protocol import StepValues, diverged


@dataclass(frozen=True)
class Learner:
    """A model and the optimizers that update it; ``norm`` names its gradient's norm in the log."""

    norm: str
    model: GPT
    optimizers: Optimizers

    def set_rates(self, step: int, config: TrainConfig) -> None:
        """Give every group of parameters the learning rate of a step."""
        set_rates(self.optimizers, step, config)

    def clipped_norm(self, limit: float) -> float:
        """Clip the gradient to a global norm, 0 for none; returns the norm before."""
        parameters = self.model.parameters()
        return float(torch.nn.utils.clip_grad_norm_(parameters, limit or math.inf))

    def update(self) -> None:
        """Change the weights that have a gradient."""
        for optimizer in self.optimizers:
            optimizer.step()

    def forget_gradient(self) -> None:
        """Leave no gradient behind."""
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)


def check_finite(step: int, values: StepValues, config: TrainConfig) -> None:
    """Raise DivergedError, which names the first figure of a step that is not finite."""
    for name, value in values.items():
        if not math.isfinite(value):
            raise DivergedError(diverged(step, f"{name} is {value:.4g}", config), step)
