"""Reading small files, such as records in JSON, without trusting that they are small."""

import json
from pathlib import Path
from typing import Any

_LARGEST_RECORD = 4_000_000


def read_bounded(path: Path, limit: int = _LARGEST_RECORD) -> bytes:
    """Read a whole file; OSError where it cannot be read, ValueError above ``limit`` bytes."""
    if path.exists() and not path.is_file():  # reading a pipe would block
        raise ValueError("it is no regular file")
    with path.open("rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"it has more than {limit:,} bytes, too many for what it should be")
    return content


def parse_object(content: bytes) -> dict[str, Any]:
    """Parse a JSON object; ValueError for anything else, also NaN and too deep nesting."""
    try:
        value = json.loads(content, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("it is too deeply nested") from None
    if not isinstance(value, dict):
        raise ValueError("it holds no JSON object")
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
