"""One optimizer step."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gptcli.config.training import TrainConfig
from gptcli.data.order import Starts, WindowOrder
from gptcli.data.token_split import TokenSplit
from gptcli.errors import DivergedError
from gptcli.model.gpt import GPT, UNCOUNTED, next_token_loss
from gptcli.runtime.device import autocast
from gptcli.runtime.seeds import derive_seed
from gptcli.training.optimizers import Optimizers, set_rates


@dataclass(frozen=True)
class _TargetWeights:
    """How much the targets of some rows weigh in the loss of their step.

    Without a mask all micro-batches have equally many targets, and ``scale`` multiplies the mean
    loss of one. With a mask (rows, T) they differ: ``scale`` multiplies the sum over the targets
    that count, and is 1 / their number in the whole step.
    """

    mask: NDArray[np.bool_] | None
    scale: float

    def of(self, rows: slice) -> "_TargetWeights":
        """The weights of some of the rows."""
        return self if self.mask is None else _TargetWeights(self.mask[rows], self.scale)

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The weighted loss of the rows' logits (B, T, V) and targets (B, T)."""
        if self.mask is None:
            return next_token_loss(logits, targets) * self.scale
        counted = torch.from_numpy(self.mask).to(targets.device)
        return next_token_loss(logits, targets.where(counted, UNCOUNTED), "sum") * self.scale


class Stepper:
    """Draws the batch of a step, accumulates its gradient and updates the weights.

    ``config`` may be replaced by one with another number of iterations.
    """

    def __init__(
        self, model: GPT, optimizers: Optimizers, split: TokenSplit, config: TrainConfig
    ) -> None:
        self._model = model
        self._optimizers = optimizers
        self._split = split
        self.config = config
        self._block_size = model.config.block_size
        self._order = WindowOrder(
            split.n_tokens,
            self._block_size,
            config.rows_per_iter,
            config.seed,
            config.order,
            split.windows(self._block_size).starts if split.is_masked else None,
        )

    def advance(self, step: int) -> float:
        """Do step number ``step``; returns its mean loss in nats per target that counts.

        Raises DivergedError before the update when loss or gradient is not finite.
        """
        set_rates(self._optimizers, step, self.config)
        loss = self._accumulate(step, self._order.starts(step))
        norm = self._clip()
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise DivergedError(diverged(step, loss, self.config))
        for optimizer in self._optimizers:
            optimizer.step()
        self._forget_gradient()
        return loss

    def rehearse(self, rows: int) -> None:
        """Compute a gradient over ``rows`` rows and discard it, to measure what a step costs."""
        starts = self._order.starts(0)[:rows]
        self._backward(starts, self._weights(starts, n_micro=1))
        self._clip()  # reading the norm waits for a GPU to finish
        self._forget_gradient()

    def _accumulate(self, step: int, starts: Starts) -> float:
        total = torch.zeros((), device=self.config.device)
        size = self.config.batch_size
        weights = self._weights(starts, self.config.grad_accum)
        for micro in range(self.config.grad_accum):
            if self._model.config.dropout:
                # Seeded for each step: a resumed run draws what an uninterrupted one would.
                torch.manual_seed(derive_seed(self.config.seed, "dropout", step, micro))
            rows = slice(micro * size, (micro + 1) * size)
            total += self._backward(starts[rows], weights.of(rows))
        return float(total)

    def _weights(self, starts: Starts, n_micro: int) -> _TargetWeights:
        """Give every target of the step the same weight, whichever micro-batch it is in."""
        if not self._split.is_masked:
            return _TargetWeights(None, 1 / n_micro)
        mask = self._split.gather_masks(starts + 1, self._block_size)
        return _TargetWeights(mask, 1 / np.count_nonzero(mask))

    def _backward(self, starts: Starts, weights: _TargetWeights) -> Tensor:
        """Add the gradient of these rows' weighted loss; returns that loss."""
        device = self.config.device
        tokens = torch.from_numpy(self._split.gather(starts, self._block_size + 1)).to(device)
        with autocast(device, self.config.precision):
            logits = self._model(tokens[:, :-1])
        loss = weights.loss(logits, tokens[:, 1:])
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def _forget_gradient(self) -> None:
        for parameter in self._model.parameters():
            parameter.grad = None

    def _clip(self) -> float:
        """Clip the gradient to the global norm ``grad_clip``; returns the norm before."""
        limit = self.config.grad_clip or math.inf
        return float(torch.nn.utils.clip_grad_norm_(self._model.parameters(), limit))


def diverged(step: int, loss: float, config: TrainConfig) -> str:
    """The message for a loss or a gradient that is not finite."""
    return (
        f"training diverged at step {step:,} (loss {loss:.4g}, or its gradient is not finite); "
        f"what was saved before is good. Try --lr {config.lr / 3:.1g} or --warmup-iters 200"
    )
