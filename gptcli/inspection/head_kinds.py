"""What kind of head it is, in a word, where one of its metrics says so clearly."""

from collections.abc import Mapping
from types import MappingProxyType

from gptcli.inspection.measures import Measured

KINDS: Mapping[str, tuple[str, float]] = MappingProxyType(
    {
        "relative_entropy": ("even", 0.9),
        "induction": ("induction", 0.3),
        "duplicate_token": ("duplicate token", 0.3),
        "previous_token": ("previous token", 0.33),
        "self": ("itself", 0.33),
        "first_token": ("first token (sink)", 0.5),
    }
)
"""By metric: the word for a head, and the value that its metric must exceed.

An even head looks at all of the past alike. The others give that much of their attention, on
average, to one kind of token, as a third or more to the token before; for induction and
duplicates, on a random sequence that is repeated. The first that holds is taken.
"""


def kind_of(metrics: Mapping[str, Measured]) -> str | None:
    """The word for a head with these metrics, or None where no metric stands out."""
    for name, (word, threshold) in KINDS.items():
        measured = metrics.get(name)
        if measured is not None and (measured.value or 0.0) > threshold:
            return word
    return None
