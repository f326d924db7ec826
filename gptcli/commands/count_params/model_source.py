"""A model that is counted: its configuration, its name, and what its files hold."""

from dataclasses import dataclass

from gptcli.config.model import ModelConfig


@dataclass(frozen=True)
class StoredWeights:
    """What the headers of a checkpoint's files say; ``dtype`` that of most of its numbers."""

    files: int
    tensors: int
    bytes: int
    dtype: str


@dataclass(frozen=True)
class ModelSource:
    """A configuration, the name it goes by in what is printed, and what its files hold."""

    name: str
    config: ModelConfig
    stored: StoredWeights | None = None
