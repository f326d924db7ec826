"""Optimizers: the state that each keeps for every parameter, and its cost in memory.

training/optimizers.py makes them; a new one is an entry here and one there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

_FLOAT32 = 4  # bytes


@dataclass(frozen=True)
class OptimizerSpec:
    """An optimizer of torch, and the tensors that it keeps for every parameter.

    ``name`` is that of torch's class, ``state`` has torch's names of the tensors. Each is as
    large as the parameter, in float32.
    """

    name: str
    state: tuple[str, ...]

    @property
    def bytes_per_parameter(self) -> int:
        """Bytes of state per parameter of the model."""
        return _FLOAT32 * len(self.state)


ADAMW = OptimizerSpec("AdamW", ("exp_avg", "exp_avg_sq"))
OPTIMIZERS: Mapping[str, OptimizerSpec] = MappingProxyType({ADAMW.name: ADAMW})
