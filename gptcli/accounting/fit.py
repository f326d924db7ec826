"""Whether a model fits into a device's memory, and what would make it fit."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from gptcli.accounting.memory import (
    TRAINING_BYTES_PER_PARAMETER,
    generation_memory,
    training_memory,
)
from gptcli.accounting.workload import LARGEST, Workload
from gptcli.config.model import ModelConfig


@dataclass(frozen=True)
class Remedy:
    """A flag with a value with which the model fits, and the bytes that it then needs."""

    flag: str
    needs: int


@dataclass(frozen=True)
class Fit:
    """Whether a use of a model fits into ``limit`` bytes, and what would make it fit.

    ``largest_batch`` is that at the given context, 0 if no batch fits. ``remedies`` are empty if
    it fits, and if no flag helps: then only a model of at most ``largest_model`` parameters fits.
    """

    use: str
    needs: int
    limit: int
    largest_batch: int
    remedies: tuple[Remedy, ...]
    largest_model: int

    @property
    def fits(self) -> bool:
        """Whether it fits as asked."""
        return self.needs <= self.limit


def training_fit(config: ModelConfig, work: Workload, limit: int) -> Fit:
    """Whether a training step fits into ``limit`` bytes."""

    def needs(changed: Workload) -> int:
        return training_memory(config, changed).peak

    halved = replace(work, precision="bfloat16")
    others = {"--precision bfloat16": halved} if work.precision != "bfloat16" else {}
    largest_model = limit // TRAINING_BYTES_PER_PARAMETER
    return _fit("training", needs, work, limit, others, largest_model)


def generation_fit(config: ModelConfig, work: Workload, limit: int) -> Fit:
    """Whether generation up to the context fits into ``limit`` bytes."""

    def needs(changed: Workload) -> int:
        return generation_memory(config, changed).peak

    narrower = replace(work, dtype="bfloat16")
    others = {"--dtype bfloat16": narrower} if narrower.value_bytes < work.value_bytes else {}
    return _fit("generation", needs, work, limit, others, limit // work.value_bytes)


def _fit(
    use: str,
    needs: Callable[[Workload], int],
    work: Workload,
    limit: int,
    others: dict[str, Workload],
    largest_model: int,
) -> Fit:
    batch = largest(lambda n: needs(work.with_batch(n)), limit)
    remedies: list[Remedy] = []
    if needs(work) > limit:
        context = largest(lambda n: needs(work.with_context(min(n, work.context))), limit)
        choices = {
            **({f"--batch-size {batch}": work.with_batch(batch)} if batch else {}),
            **({f"--context {context}": work.with_context(context)} if context else {}),
            **others,
        }
        found = [Remedy(flag, needs(changed)) for flag, changed in choices.items()]
        remedies = [remedy for remedy in found if remedy.needs <= limit]
    return Fit(use, needs(work), limit, batch, tuple(remedies), largest_model)


def largest(needs: Callable[[int], int], limit: int) -> int:
    """The largest whole number whose needs, which grow with it, are within the limit."""
    fitting, beyond = 0, LARGEST + 1
    while beyond - fitting > 1:
        middle = (fitting + beyond) // 2
        if needs(middle) <= limit:
            fitting = middle
        else:
            beyond = middle
    return fitting
