"""The names of the metrics of an attention head.

measures.py computes them, residual.py the share of the stream and induction.py those of random
tokens, all with torch.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gptcli.errors import UsageError

DEFAULT_METRIC = "entropy"


@dataclass(frozen=True)
class Metric:
    """What a metric says about a head, its unit, and whether the lowest value ranks first."""

    about: str
    unit: str
    lowest_first: bool = False


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "entropy": Metric("how widely attention spreads", "bits", lowest_first=True),
        "relative_entropy": Metric(
            "entropy relative to evenly spread attention", "", lowest_first=True
        ),
        "first_token": Metric("weight on the first token", ""),
        "self": Metric("weight on the token itself", ""),
        "previous_token": Metric("weight on the token before", ""),
        "induction": Metric(
            "weight on the token after the first of two equal ones, in random tokens", ""
        ),
        "duplicate_token": Metric("weight on the first of two equal tokens, in random tokens", ""),
        "mean_distance": Metric("how far back attention looks", "tokens"),
        "largest_weight": Metric("the largest weight in a row", ""),
        "residual_share": Metric(
            "length of what the head writes, relative to the residual stream behind it", ""
        ),
    }
)

COPY_SCORES = ("induction", "duplicate_token")
"""The metrics of random tokens that are repeated; the others are those of the text itself."""


def check_metric(flag: str, name: str) -> None:
    """UsageError that names the metrics unless ``name`` is one."""
    if name not in METRICS:
        near = difflib.get_close_matches(name.lower().replace("-", "_"), METRICS, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"{flag} {name} is unknown: {hint}choose one of {', '.join(METRICS)}")
