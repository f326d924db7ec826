"""Muon: momentum whose update is made orthogonal (Jordan et al. 2024, kellerjordan.github.io).

For the matrices of blocks alone; AdamW updates what is not one: embeddings, head, gains, biases.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

# A quintic that moves every singular value near 1 in few rounds; the source's tuned values.
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ROUNDS = 5
_LEAST_NORM = 1e-7


def orthogonalized(matrices: Tensor) -> Tensor:
    """About U V^T of each matrix U S V^T: (N, R, C) -> (N, R, C) in bfloat16.

    Newton-Schulz iteration in bfloat16: singular values end between about 0.7 and 1.2, which
    is as good for training as 1. All matrices of a stack are multiplied at once.
    """
    a, b, c = _COEFFICIENTS
    is_tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if is_tall else matrices  # the smaller side decides what a round costs
    norms = torch.linalg.matrix_norm(x, keepdim=True)
    x = (x / (norms + _LEAST_NORM)).bfloat16()
    for _ in range(_ROUNDS):
        gram = torch.bmm(x, x.mT)
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        x = torch.baddbmm(x, polynomial, x, beta=a)
    return x.mT if is_tall else x


class Muon(Optimizer):
    """The optimizer for groups of matrices, each group of ``params`` with their ``parts``.

    ``parts`` are, for every parameter, the numbers of rows of the matrices stacked in it: query,
    key and value are three matrices in one parameter, and each has its own update. The update is
    scaled by sqrt(rows / columns) of tall matrices, with Nesterov's momentum and decoupled
    weight decay, as in torch.optim.Muon, which updates one matrix after another.

    ``found_inf`` is that of torch's fused optimizers: a scalar on the device that, where it is
    not 0, leaves matrices and momentum as they are, without Python waiting for its value.
    """

    found_inf: Tensor | None = None

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(
            list(groups), {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        )

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update every matrix that has a gradient."""
        assert closure is None, "the loss is not computed again"
        skipped = None if self.found_inf is None else self.found_inf.bool()
        for group in self.param_groups:
            if any(parameter.grad is not None for parameter in group["params"]):
                self._update(group, skipped)

    def _update(self, group: dict[str, Any], skipped: Tensor | None) -> None:
        pairs = zip(group["params"], group["parts"], strict=True)
        moved = [(parameter, rows) for parameter, rows in pairs if parameter.grad is not None]
        directions = self._directions([one for one, _ in moved], group["momentum"], skipped)
        alike: dict[torch.Size, list[tuple[Tensor, Tensor]]] = defaultdict(list)
        for (parameter, rows), direction in zip(moved, directions, strict=True):
            parts = zip(torch.split(parameter, rows), torch.split(direction, rows), strict=True)
            for pair in parts:
                alike[pair[0].shape].append(pair)
        decay = group["lr"] * group["weight_decay"]
        if skipped is not None:
            decay = decay * ~skipped
        for shape, pairs_alike in alike.items():
            weights = [matrix for matrix, _ in pairs_alike]
            updates = orthogonalized(torch.stack([direction for _, direction in pairs_alike]))
            scale = group["lr"] * math.sqrt(max(1.0, shape[0] / shape[1]))
            torch._foreach_mul_(weights, 1 - decay)
            torch._foreach_add_(weights, updates.unbind(), alpha=-scale)

    def _directions(
        self, parameters: list[Tensor], momentum: float, skipped: Tensor | None
    ) -> list[Tensor]:
        """Each gradient, averaged over the steps so far and once more with the present one.

        Zero where the step is ``skipped``, whose gradients may be no numbers.
        """
        buffers = [self._buffer(parameter) for parameter in parameters]
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        if skipped is not None:  # an average with itself stays itself
            pairs = zip(buffers, gradients, strict=True)
            gradients = [torch.where(skipped, buffer, gradient) for buffer, gradient in pairs]
        torch._foreach_lerp_(buffers, gradients, 1 - momentum)
        directions = list(torch._foreach_lerp(gradients, buffers, momentum))
        if skipped is not None:
            directions = [direction.masked_fill(skipped, 0) for direction in directions]
        return directions

    def _buffer(self, parameter: Tensor) -> Tensor:
        """The average of a parameter's gradients; zeros before its first step."""
        state = self.state[parameter]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        buffer: Tensor = state["momentum_buffer"]
        return buffer
