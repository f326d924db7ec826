"""Optimizers: the state that each keeps for every parameter, and its cost in memory.

training/optimizers.py makes them, accounting/memory.py counts the parameters that each updates.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

_FLOAT32 = 4  # bytes


@dataclass(frozen=True)
class OptimizerSpec:
    """An optimizer, and the tensors that it keeps for every parameter.

    ``name`` is that of its class, ``state`` has the names of the tensors, each as large as the
    parameter, in float32. One that ``counts_steps`` keeps their number too.
    """

    name: str
    state: tuple[str, ...]
    counts_steps: bool = False

    @property
    def bytes_per_parameter(self) -> int:
        """Bytes of state per parameter that it updates."""
        return _FLOAT32 * len(self.state)


ADAMW = OptimizerSpec("AdamW", ("exp_avg", "exp_avg_sq"), counts_steps=True)
MUON = OptimizerSpec("Muon", ("momentum_buffer",))
OPTIMIZERS: Mapping[str, OptimizerSpec] = MappingProxyType(
    {spec.name: spec for spec in (ADAMW, MUON)}
)
