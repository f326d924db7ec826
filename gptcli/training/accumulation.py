"""The gradient of an optimizer step, added up over its micro-batches and its processes."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gptcli.config.training import TrainConfig
from gptcli.evaluation.processes import all_add
from gptcli.model.gpt import GPT
from gptcli.runtime.seeds import derive_seed
from gptcli.training.shares import Shares

Backward = Callable[[slice], Tensor]
"""Adds the gradient of some rows of a step; returns what they add to the step's figures, (K,)."""


@dataclass(frozen=True)
class Accumulation:
    """Adds up what the micro-batches of a step contribute; ``forget`` drops the gradient so far.

    A deterministic run adds in an order that no number of processes changes. The gradients of a
    model in parts are added up over the processes by its backward passes.
    """

    model: GPT
    config: TrainConfig
    shares: Shares
    forget: Callable[[], None]

    def add_up(self, step: int, backward: Backward) -> Tensor:
        """Leave the gradient of a step in the parameters; returns its figures (K,)."""
        totals, kept = list[Tensor](), list[Tensor]()
        for micro in self.shares.own:
            if self.model.config.dropout:
                # Seeded for each step: a resumed run draws what an uninterrupted one would.
                torch.manual_seed(derive_seed(self.config.seed, "dropout", step, micro))
            found = backward(self.shares.slice_of(micro))
            totals = [totals[0] + found] if totals else [found]
            if self.config.deterministic:
                kept.append(torch.cat([one.flatten() for one in (found, *self._gradients())]))
                self.forget()
        total = totals[0]  # Shares leaves no process without a micro-batch
        if kept:
            return self._taken_over(self.shares.summed(kept), len(total))
        if self.shares.world.size > 1:
            gradients = () if self.shares.world.is_sharded else self._gradients()
            all_add(self.shares.world, [total, *gradients])
        return total

    def _gradients(self) -> list[Tensor]:
        return [one.grad for one in self.model.parameters() if one.grad is not None]

    def _taken_over(self, sums: Tensor, n_figures: int) -> Tensor:
        """Put the gradients of a step in their places, out of (K + P,); returns its figures."""
        parameters = list(self.model.parameters())
        figures, *parts = torch.split(sums, [n_figures, *(one.numel() for one in parameters)])
        for parameter, part in zip(parameters, parts, strict=True):
            parameter.grad = part.view_as(parameter)
        return figures
