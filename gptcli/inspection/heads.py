"""Names of heads: layers and heads count from 0, so ``L0.H3`` is the fourth of the first layer."""

import re
from dataclasses import dataclass
from itertools import product
from typing import Literal, get_args

from gptcli.config.model import ModelConfig
from gptcli.errors import UsageError

AblationMode = Literal["zero", "mean"]
ABLATION_MODES: tuple[str, ...] = get_args(AblationMode)
"""What the output of a head may be replaced by, to see what it is worth."""

_NAME = re.compile(r"L([0-9]{1,6})\.H([0-9]{1,6})", re.IGNORECASE)


@dataclass(frozen=True, order=True)
class Head:
    """A head by its layer and its number in that layer."""

    layer: int
    index: int

    def __str__(self) -> str:
        return f"L{self.layer}.H{self.index}"


def every_head(config: ModelConfig) -> tuple[Head, ...]:
    """All heads in the order of the model."""
    places = product(range(config.n_layer), range(config.n_head))
    return tuple(Head(layer, index) for layer, index in places)


def parse_heads(names: str, config: ModelConfig, flag: str = "--heads") -> tuple[Head, ...]:
    """``L0.H3,L1.H0`` as heads, each once; UsageError with the valid range otherwise."""
    parts = [part.strip() for part in names.split(",")]
    return tuple(dict.fromkeys(_parse(part, config, flag) for part in parts))


def _parse(name: str, config: ModelConfig, flag: str) -> Head:
    last = Head(config.n_layer - 1, config.n_head - 1)
    match = _NAME.fullmatch(name)
    if match is None:
        raise UsageError(
            f"{flag} {name!r} is not a head: write L0.H0 to {last}, separated by commas"
        )
    head = Head(int(match[1]), int(match[2]))
    if head.layer > last.layer or head.index > last.index:
        raise UsageError(f"{flag} {name} is not in this model: its heads are L0.H0 to {last}")
    return head
