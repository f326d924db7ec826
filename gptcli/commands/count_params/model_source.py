"""The model to count: its configuration, its name, and what its files hold."""

from dataclasses import dataclass

from gptcli.config.model import ModelConfig


@dataclass(frozen=True)
class StoredWeights:
    """What the headers of a checkpoint's files say; ``dtype`` is that of most numbers."""

    files: int
    tensors: int
    bytes: int
    dtype: str


@dataclass(frozen=True)
class ModelSource:
    """A configuration, its name in the output, and what its files hold, if there are any."""

    name: str
    config: ModelConfig
    stored: StoredWeights | None = None
