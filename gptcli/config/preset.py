"""What a named model is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from gptcli.config.model import ModelConfig


@dataclass(frozen=True)
class Preset:
    """A named model, a line on what it is, and the training values it insists on."""

    model: ModelConfig
    about: str
    training: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
