"""Names of outputs: never one that is taken, and the newest of what is there."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from gptcli.errors import UsageError
from gptcli.runtime.small_files import parse_object, read_bounded


def free_name(parent: Path, name: str) -> Path:
    """``parent/name``, or ``parent/name-2`` and so on where that is taken."""
    candidate, number = parent / name, 2
    while candidate.exists() or candidate.is_symlink():
        candidate = parent / f"{name}-{number}"
        number += 1
    return candidate


def output_path(out: Path | None, parent: Path, name: str, overwrite: bool) -> Path:
    """Where to write: ``out`` as the user said it, else a free default name.

    Raises UsageError when ``out`` is taken and ``overwrite`` is not given.
    """
    if out is None:
        return parent / name if overwrite else free_name(parent, name)
    if (out.exists() or out.is_symlink()) and not overwrite:
        raise UsageError(f"{out} exists: choose another --out, or --overwrite to replace it")
    return out


def timestamp() -> str:
    """The present moment in UTC as ISO 8601, precise enough to order by."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def newest(parent: Path, record: str, also: str = "") -> Path | None:
    """The directory below ``parent`` whose JSON file ``record`` has the latest "created".

    Directories without the file ``also`` are incomplete and skipped.
    """
    found = [
        (created, path)
        for path, created in _created(parent, record)
        if not also or (path / also).is_file()
    ]
    return max(found)[1] if found else None


def _created(parent: Path, record: str) -> Iterator[tuple[Path, str]]:
    for file in sorted(parent.glob(f"*/{record}")):
        if file.parent.name.startswith("."):
            continue
        try:
            if not file.is_file():
                continue
            value = parse_object(read_bounded(file))
        except (OSError, ValueError):
            continue
        if isinstance(value.get("created"), str):
            yield file.parent, value["created"]
