"""One optimizer step."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gptcli.config.training import Precision, TrainConfig
from gptcli.data.order import Starts, WindowOrder
from gptcli.data.token_split import TokenSplit
from gptcli.errors import DivergedError
from gptcli.fast.compiled_blocks import compiled
from gptcli.fast.head_loss import summed_loss, takes_parts
from gptcli.model.gpt import GPT, UNCOUNTED, next_token_loss
from gptcli.runtime.device import autocast, precision_dtype
from gptcli.runtime.world import ALONE, World
from gptcli.training.accumulation import Accumulation
from gptcli.training.at_once import rows_at_once
from gptcli.training.batch import Batch
from gptcli.training.ngram_teacher import NgramTeacher
from gptcli.training.optimizers import Optimizers, set_rates, skip_updates_if
from gptcli.training.protocol import diverged
from gptcli.training.schedule import teacher_share
from gptcli.training.sharding import whole_tensor
from gptcli.training.shares import Shares

SoftTargets = tuple[Tensor, Tensor]
"""A teacher's distributions, (B, T, V), and the share of every target that they take, ()."""

_SMALL = 50_000_000  # parameters

# (model, tokens, counted, precision) -> loss, as ``batch_loss`` or what was compiled of it.
_BatchLoss = Callable[[GPT, Tensor, Tensor | None, Precision], Tensor]


def batch_loss(model: GPT, tokens: Tensor, counted: Tensor | None, precision: Precision) -> Tensor:
    """The loss of rows of tokens (B, T + 1), each predicted from those before it.

    The mean over all targets; or, of a split with masks, the sum over those that ``counted``
    (B, T) names. A function of its arguments alone, so that it can be compiled as a whole.
    """
    with autocast(tokens.device.type, precision):
        logits = model(tokens[:, :-1])
    reduction = "mean" if counted is None else "sum"
    return next_token_loss(logits, _targets(tokens, counted), reduction)


def batch_loss_in_parts(
    model: GPT, tokens: Tensor, counted: Tensor | None, precision: Precision
) -> Tensor:
    """``batch_loss`` for a large vocabulary on a CPU: the logits are never all there."""
    with autocast(tokens.device.type, precision):
        stream = model.hidden(tokens[:, :-1]).flatten(0, 1).to(precision_dtype(precision))
    targets = _targets(tokens, counted).flatten()
    weight, cap = model.get_parameter("lm_head.weight"), model.config.logit_cap
    total = summed_loss(stream, weight, targets, cap)
    return total / len(targets) if counted is None else total


def _targets(tokens: Tensor, counted: Tensor | None) -> Tensor:
    """What rows of tokens (B, T + 1) are to predict (B, T), UNCOUNTED where that does not count."""
    targets = tokens[:, 1:]
    return targets if counted is None else targets.where(counted, UNCOUNTED)


def distillation_loss(
    model: GPT, tokens: Tensor, soft: SoftTargets, precision: Precision
) -> tuple[Tensor, Tensor]:
    """What a model with a teacher minimises, and the loss of rows of tokens (B, T + 1).

    The first is the cross-entropy with a mixture of the next token and the teacher's distribution
    (Hinton et al. 2015, arXiv:1503.02531).
    """
    with autocast(tokens.device.type, precision):
        logits = model(tokens[:, :-1])
    log_probabilities = logits.float().log_softmax(-1)
    loss = -log_probabilities.gather(-1, tokens[:, 1:, None]).mean()
    expected, share = soft
    from_teacher = -(expected * log_probabilities).sum(-1).mean()
    return loss.lerp(from_teacher, share), loss


@dataclass(frozen=True)
class _TargetWeights:
    """How much the targets of some rows weigh in the loss of their step.

    Without a mask all micro-batches have equally many targets, and ``scale`` multiplies the mean
    loss of one. With a mask (rows, T) they differ: ``scale`` multiplies the sum over the targets
    that count, and is 1 / their number in the whole step.
    """

    mask: NDArray[np.bool_] | None
    scale: float

    def of(self, rows: slice, share: float = 1.0) -> "_TargetWeights":
        """Those of some of the rows; without a mask their mean loss counts by their ``share``."""
        if self.mask is None:
            return _TargetWeights(None, self.scale * share)
        return _TargetWeights(self.mask[rows], self.scale)


@dataclass(frozen=True)
class StepFigures:
    """Mean loss in nats per target that counts, and the gradient's norm before clipping."""

    loss: float
    gradient_norm: float

    @property
    def is_finite(self) -> bool:
        """Whether both are numbers that one can go on from."""
        return math.isfinite(self.loss) and math.isfinite(self.gradient_norm)


class Stepper:
    """Draws the batch of a step, accumulates its gradient and updates the weights.

    A step whose loss or gradient is not finite changes nothing, and no step after it does. On a
    CPU and on MPS every step is checked before its update. With ``defers``, as on CUDA, nothing
    waits for the device within a step: the device itself skips the updates, and ``figures``
    finds out.

    ``config`` may be replaced by one with another number of iterations. In a ``world`` of several
    processes each has its share of the micro-batches, and all have the same figures.
    """

    def __init__(
        self,
        model: GPT,
        optimizers: Optimizers,
        split: TokenSplit,
        config: TrainConfig,
        defers: bool | None = None,
        teacher: NgramTeacher | None = None,
        keeps_gradients: bool | None = None,
        world: World = ALONE,
    ) -> None:
        is_cuda = config.device.startswith("cuda")
        self._model = model
        self._optimizers = optimizers
        self._split = split
        self._teacher = teacher
        self.config = config
        self._shares = Shares.of(config, world)
        self._accumulation = Accumulation(model, config, self._shares, self._forget_gradient)
        self._defers = is_cuda if defers is None else defers
        self._is_pinned = is_cuda
        rows = rows_at_once(config.batch_size, model.config, config.device)
        is_in_parts = (
            config.device == "cpu"
            and not world.is_sharded
            and takes_parts(model.config, rows * model.config.block_size)
        )
        self._loss: _BatchLoss = batch_loss_in_parts if is_in_parts else batch_loss
        is_compiled = is_cuda and config.compile
        is_replayed = is_compiled and len(self._shares.own) == 1 and _is_small(model)
        self._keeps_gradients = is_replayed if keeps_gradients is None else keeps_gradients
        if is_compiled:
            self._loss = compiled(batch_loss, is_replayed)
        if self._keeps_gradients:
            for parameter in model.parameters():
                parameter.grad = torch.zeros_like(parameter)
        self._block_size = model.config.block_size
        self._order = WindowOrder(
            split.n_tokens,
            self._block_size,
            config.rows_per_iter,
            config.seed,
            config.order,
            split.windows(self._block_size).starts if split.is_masked else None,
        )
        self._unread: list[tuple[int, Tensor]] = []  # steps, and their loss and norm (2,)
        self._is_bad = torch.zeros((), dtype=torch.bool, device=config.device)

    def advance(self, step: int) -> None:
        """Do step number ``step``; ``figures`` tells how it went.

        Raises DivergedError before the update when loss or gradient is not finite, unless the
        check is deferred.
        """
        set_rates(self._optimizers, step, self.config)
        loss = self._accumulate(step, self._order.starts(step))
        self._unread.append((step, torch.stack((loss, self._clip()))))
        if self._defers:
            self._is_bad = self._is_bad | ~self._unread[-1][1].isfinite().all()
            skip_updates_if(self._is_bad, self._optimizers)
        else:
            self._read(*self._unread[-1])
        for optimizer in self._optimizers:
            optimizer.step()
        self._forget_gradient()

    def figures(self) -> list[StepFigures]:
        """Loss and norm of every step since the last call; waits until they are computed.

        Raises DivergedError for the first step whose figures are not finite.
        """
        unread, self._unread = self._unread, []
        return [self._read(step, values) for step, values in unread]

    def batch(self, step: int) -> Batch:
        """All rows of a step, and which of their targets count."""
        starts = self._order.starts(step)
        tokens = self._split.gather(starts, self._block_size + 1)
        return Batch(step, tokens, self._mask(starts))

    def _read(self, step: int, values: Tensor) -> StepFigures:
        figures = StepFigures(*values.tolist())
        if not figures.is_finite:
            cause = f"loss {figures.loss:.4g}, or its gradient is not finite"
            raise DivergedError(diverged(step, cause, self.config), step)
        return figures

    def rehearse(self, rows: int) -> None:
        """Compute a gradient over ``rows`` rows and discard it, to measure what a step costs."""
        starts = self._order.starts(0)[:rows]
        self._backward(starts, self._weights(starts, n_micro=1), 0)
        float(self._clip())  # reading the norm waits for a GPU to finish
        self._forget_gradient()

    def _accumulate(self, step: int, starts: Starts) -> Tensor:
        """Add up the gradients of all micro-batches; returns the loss of the step."""
        weights = self._weights(starts, self._shares.count)

        def backward(rows: slice) -> Tensor:
            return self._backward(starts[rows], weights.of(rows), step)[None]

        return self._accumulation.add_up(step, backward)[0]

    def _weights(self, starts: Starts, n_micro: int) -> _TargetWeights:
        """Give every target of the step the same weight, whichever micro-batch it is in."""
        mask = self._mask(starts)
        return _TargetWeights(mask, 1 / (n_micro if mask is None else np.count_nonzero(mask)))

    def _mask(self, starts: Starts) -> NDArray[np.bool_] | None:
        """Which targets of the rows count; None where all do."""
        if not self._split.is_masked:
            return None
        return self._split.gather_masks(starts + 1, self._block_size)

    def _backward(self, starts: Starts, weights: _TargetWeights, step: int) -> Tensor:
        """Add the gradient of what these rows have to minimise; returns their weighted loss."""
        size = rows_at_once(len(starts), self._model.config, self.config.device)
        losses = []
        for first in range(0, len(starts), size):
            part = starts[first : first + size]
            own = weights.of(slice(first, first + size), len(part) / len(starts))
            losses.append(self._backward_at_once(part, own, step))
        return torch.stack(losses).sum()

    def _backward_at_once(self, starts: Starts, weights: _TargetWeights, step: int) -> Tensor:
        tokens = self._on_device(self._split.gather(starts, self._block_size + 1))
        precision = self.config.precision
        if self._teacher is None:
            counted = None if weights.mask is None else self._on_device(weights.mask)
            loss = objective = self._loss(self._model, tokens, counted, precision)
        else:
            expected = self._teacher.distributions(starts, self._block_size)
            share = torch.tensor(teacher_share(step, self.config))
            soft = (expected, share.to(self.config.device))
            objective, loss = distillation_loss(self._model, tokens, soft, precision)
        (objective * weights.scale).backward()  # type: ignore[no-untyped-call]
        return loss.detach() * weights.scale

    def _on_device(self, array: NDArray[Any]) -> Tensor:
        """The array there; from pinned memory it is copied while Python goes on."""
        tensor = torch.from_numpy(array)
        if self._is_pinned:
            return tensor.pin_memory().to(self.config.device, non_blocking=True)
        return tensor.to(self.config.device)

    def _forget_gradient(self) -> None:
        for optimizer in self._optimizers:
            optimizer.zero_grad(set_to_none=not self._keeps_gradients)

    def _clip(self) -> Tensor:
        """Clip the gradient to the global norm ``grad_clip``; returns the norm before."""
        limit = self.config.grad_clip or math.inf
        return whole_tensor(torch.nn.utils.clip_grad_norm_(self._model.parameters(), limit))


def _is_small(model: GPT) -> bool:
    """Whether a GPU computes a kernel of the model in less time than Python takes to start it."""
    return sum(parameter.numel() for parameter in model.parameters()) < _SMALL
