"""The stages of attention by name, from the product of query and key to what reaches a token.

stages.py computes them, with torch.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

Stage = Literal["raw", "scaled", "masked", "softmax", "value", "rollout"]

DEFAULT_STAGE: Stage = "softmax"
STAGES: Mapping[Stage, str] = MappingProxyType(
    {
        "raw": "q.k, the product of query and key",
        "scaled": "q.k / sqrt(head size)",
        "masked": "the scaled score, minus infinity on the future",
        "softmax": "the weight of each key, 1 in a row together",
        "value": "the weight times the length of the vector that the key's value writes",
        "rollout": "how much of each token has reached a place through this layer and those below",
    }
)
"""Every stage in the order of its computation, and what its numbers are."""
