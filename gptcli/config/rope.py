"""How rotary positions are scaled for contexts longer than those of the training."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from gptcli.config.checks import check_positive, check_whole
from gptcli.errors import UsageError


@dataclass(frozen=True)
class RopeScaling:
    """Llama 3's rule (Grattafiori et al. 2024, arXiv:2407.21783; transformers calls it llama3).

    Pairs that turn more than ``high_freq_factor`` times within ``original_context`` tokens
    keep their frequency, that of pairs below ``low_freq_factor`` turns is divided by ``factor``,
    and those between are blended.
    """

    factor: float
    low_freq_factor: float
    high_freq_factor: float
    original_context: int

    def __post_init__(self) -> None:
        for name in ("factor", "low_freq_factor", "high_freq_factor"):
            check_positive(f"rope_scaling.{name}", getattr(self, name))
        check_whole("rope_scaling.original_context", self.original_context, 1)
        if self.low_freq_factor >= self.high_freq_factor:
            raise UsageError(
                f"rope_scaling.low_freq_factor {self.low_freq_factor} must be below "
                f"high_freq_factor {self.high_freq_factor}"
            )

    @classmethod
    def from_fields(cls, values: Mapping[str, Any]) -> "RopeScaling":
        """The inverse of ``dataclasses.asdict``; UsageError for other fields."""
        names = {field.name for field in fields(cls)}
        if wrong := sorted(names ^ values.keys()):
            raise UsageError(f"rope_scaling.{wrong[0]:.40} is missing or unknown")
        return cls(**values)
