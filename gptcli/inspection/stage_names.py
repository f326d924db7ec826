"""The stages of attention by name, from the product of query and key to what reaches a token.

stages.py computes them, with torch.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

Stage = Literal["raw", "scaled", "masked", "softmax", "value", "rollout"]

DEFAULT_STAGE: Stage = "softmax"
SCORES: tuple[Stage, ...] = ("raw", "scaled", "masked")
"""The stages before softmax makes weights."""

UNMASKED: tuple[Stage, ...] = ("raw", "scaled")
"""The stages in which a query still has a score for every key in its future."""

STAGES: Mapping[Stage, str] = MappingProxyType(
    {
        "raw": "product q.k",
        "scaled": "scaled product q.k / sqrt(head size)",
        "masked": "scaled product, minus infinity on the future",
        "softmax": "weight",
        "value": "weight times the length of what the value writes",
        "rollout": "share of a token that has come here through all layers so far",
    }
)
"""Every stage in the order of its computation, and what its numbers are."""
