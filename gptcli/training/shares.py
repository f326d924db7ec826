"""The part of every optimizer step that falls to each of several processes.

Micro-batch m of a step belongs to process m mod W. Its rows are those that one process would
take, so that nothing that is saved depends on W. P = parameters.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gptcli.config.training import TrainConfig
from gptcli.errors import UsageError
from gptcli.evaluation.processes import gathered
from gptcli.runtime.world import World


@dataclass(frozen=True)
class Shares:
    """The ``count`` micro-batches of a step, of ``rows`` rows each; every process has some."""

    count: int
    rows: int
    world: World

    @classmethod
    def of(cls, config: TrainConfig, world: World) -> "Shares":
        """The micro-batches of the configuration, cut where that gives all an equal share.

        A deterministic run's are never cut. UsageError where they cannot be shared.
        """
        most = 1 if config.deterministic else world.size
        for parts in range(1, most + 1):
            count = config.grad_accum * parts
            if count % world.size == 0 and config.batch_size % parts == 0:
                return cls(count, config.batch_size // parts, world)
        raise UsageError(_cannot_share(config, world))

    @property
    def own(self) -> range:
        """The numbers of this process's micro-batches."""
        return range(self.world.rank, self.count, self.world.size)

    def slice_of(self, micro: int) -> slice:
        """The rows of a micro-batch among those of the step."""
        return slice(micro * self.rows, (micro + 1) * self.rows)

    def summed(self, own: Sequence[Tensor]) -> Tensor:
        """The sum of vectors (P,), one for each micro-batch, of which these are this process's.

        Added in pairs, then in pairs of pairs, so that the order is that of any number of
        processes. All of them are held at once.
        """
        by_rank = gathered(self.world, torch.stack(list(own)))  # (count / W, P) each
        in_order = torch.stack(by_rank, dim=1).flatten(0, 1)  # m = round * W + rank
        parts: list[Tensor] = [*in_order]
        while len(parts) > 1:
            odd = parts[len(parts) - len(parts) % 2 :]
            parts = [a + b for a, b in zip(parts[::2], parts[1::2], strict=False)] + odd
        return parts[0]


def _cannot_share(config: TrainConfig, world: World) -> str:
    size = world.size
    what = f"--batch-size {config.batch_size} --grad-accum {config.grad_accum}"
    if config.deterministic:
        least = -(-config.grad_accum // size) * size
        return (
            f"{what} gives {size} processes no equal share of whole micro-batches, which "
            f"--deterministic does not cut: try --grad-accum {least}"
        )
    more = -(-config.batch_size // size) * size
    return f"{what} gives {size} processes no equal share of the rows: try --batch-size {more}"
