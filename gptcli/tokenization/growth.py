"""How much longer a tokenizer.json can make a text, found before the library sees the text.

A few nested replacements in a small file can turn a short text into gigabytes.
"""

from collections.abc import Iterator, Mapping
from typing import Any

_MOST = 1000.0  # characters for one; SentencePiece's own rules stay below 10
_CHANGING = ("normalizer", "pre_tokenizer", "decoder")


def check_growth(content: Mapping[str, Any]) -> None:
    """Raise ValueError where the replacements of a tokenizer.json make much more of a text."""
    for part in _CHANGING:
        growth = 1.0
        for step in _steps(content.get(part)):
            growth *= _growth(step)
        if growth > _MOST:
            raise ValueError(f"its {part} can make {growth:,.0f} characters of one")


def _steps(part: Any) -> Iterator[Mapping[str, Any]]:
    """Every normalizer, pre-tokenizer or decoder in a part, however deep in sequences."""
    if isinstance(part, Mapping):
        yield part
        part = list(part.values())
    if isinstance(part, list):
        for one in part:
            if isinstance(one, Mapping | list):
                yield from _steps(one)


def _growth(step: Mapping[str, Any]) -> float:
    """The most characters that a replacement makes of one; 1 for all other steps."""
    new, pattern = step.get("content"), step.get("pattern")
    if not isinstance(new, str) or not isinstance(pattern, Mapping):
        return 1.0
    literal = pattern.get("String")
    # A regular expression may match a single character, or before each one.
    length = len(literal) if isinstance(literal, str) else 1
    return min(1e9, max(1.0, len(new) / max(1, length)))
