"""Names of heads: layers and heads count from 0, so ``L0.H3`` is the fourth of the first layer."""

import re
from dataclasses import dataclass

from gptcli.config.model import ModelConfig
from gptcli.errors import UsageError

_NAME = re.compile(r"L([0-9]{1,6})\.H([0-9]{1,6})", re.IGNORECASE)


@dataclass(frozen=True, order=True)
class Head:
    """A head by its layer and its number in that layer."""

    layer: int
    index: int

    def __str__(self) -> str:
        return f"L{self.layer}.H{self.index}"


def parse_heads(names: str, config: ModelConfig) -> tuple[Head, ...]:
    """``L0.H3,L1.H0`` as heads, each once; UsageError with the valid range otherwise."""
    parts = [part.strip() for part in names.split(",")]
    return tuple(dict.fromkeys(_parse(part, config) for part in parts))


def _parse(name: str, config: ModelConfig) -> Head:
    last = Head(config.n_layer - 1, config.n_head - 1)
    match = _NAME.fullmatch(name)
    if match is None:
        raise UsageError(
            f"--heads {name!r} is not a head: write L0.H0 to {last}, separated by commas"
        )
    head = Head(int(match[1]), int(match[2]))
    if head.layer > last.layer or head.index > last.index:
        raise UsageError(f"--heads {name} is not in this model: its heads are L0.H0 to {last}")
    return head
