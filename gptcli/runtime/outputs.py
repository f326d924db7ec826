"""The directories that commands write: free names, the newest one, and which may be replaced."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gptcli.errors import UsageError
from gptcli.runtime.directories import is_leftover, new_directory, remove_stale
from gptcli.runtime.files import parse_object, read_bounded
from gptcli.runtime.locks import exclusive, is_locked


def free_name(parent: Path, name: str) -> Path:
    """``parent/name``, or if that is taken ``parent/name-2`` and so on.

    A name is also taken if another process is making a directory of it.
    """
    candidate, number = parent / name, 2
    while candidate.exists() or candidate.is_symlink() or is_locked(candidate):
        candidate = parent / f"{name}-{number}"
        number += 1
    return candidate


def output_path(out: Path | None, parent: Path, name: str, overwrite: bool) -> Path:
    """Where to write: ``out`` if the user gave it, else a free default name.

    Raises UsageError when ``out`` is taken and ``overwrite`` is not given.
    """
    if out is None:
        return parent / name if overwrite else free_name(parent, name)
    if (out.exists() or out.is_symlink()) and not overwrite:
        raise UsageError(f"{out} exists: choose another --out, or --overwrite to replace it")
    return out


def timestamp() -> str:
    """The present time in UTC as ISO 8601, precise enough to sort by."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def newest(parent: Path, record: str, also: str = "") -> Path | None:
    """The directory below ``parent`` whose JSON file ``record`` has the latest time.

    That is "saved", or "created" without it; a time in the future, of a clock that was wrong, is
    earlier than all others. Directories without the file ``also`` are incomplete and skipped.
    """
    now = timestamp()
    found = [
        (time <= now, time, path)
        for path, time in _times(parent, record)
        if not also or (path / also).is_file()
    ]
    return max(found)[-1] if found else None


def _times(parent: Path, record: str) -> Iterator[tuple[Path, str]]:
    for file in sorted(parent.glob(f"*/{record}")):
        if file.parent.name.startswith("."):
            continue
        try:
            if not file.is_file():
                continue
            value = parse_object(read_bounded(file))
        except (OSError, ValueError):
            continue
        time = value.get("saved", value.get("created"))
        if isinstance(time, str):
            yield file.parent, time


@dataclass(frozen=True)
class OutputKind:
    """How to recognize a directory that gptcli wrote: its record, and all that may be in it.

    ``format`` is the format that the record names, or it is one of ``other_formats``; None for a
    record in a foreign format.
    """

    noun: str
    record: str
    format: str | None
    names: frozenset[str]
    other_formats: tuple[str, ...] = ()


def check_replaceable(directory: Path, overwrite: bool, kind: OutputKind) -> None:
    """Raise UsageError unless ``directory`` is free, or of this kind with ``overwrite``."""
    if directory == Path("-"):
        raise UsageError(f"--out - is no place for a {kind.noun}, which is a directory: name one")
    if directory.name in ("", ".."):
        raise UsageError(f"--out {directory} is not a new directory: name one")
    if not (directory.exists() or directory.is_symlink()):
        return
    if not overwrite:
        raise UsageError(f"{directory} exists: choose another --out, or --overwrite to replace it")
    if directory.is_symlink() or not directory.is_dir():
        raise UsageError(
            f"{directory} is not a {kind.noun} and is not replaced: choose another --out"
        )
    names = {entry.name for entry in directory.iterdir() if not is_leftover(entry.name)}
    if names and not _has_record(directory, kind):
        raise UsageError(
            f"{directory} is not a {kind.noun} and is not replaced: choose another --out"
        )
    if foreign := sorted(names - kind.names):
        raise UsageError(
            f"{directory / foreign[0]} is not part of the {kind.noun} and would be lost: "
            "move it away or choose another --out"
        )


@contextlib.contextmanager
def output_directory(directory: Path, overwrite: bool, kind: OutputKind) -> Iterator[Path]:
    """Yield a folder to fill, which is renamed to ``directory`` when the block ends.

    Raises ResourceError if another process is writing there, UsageError where ``directory``
    must not be replaced.
    """
    check_replaceable(directory, overwrite, kind)
    with exclusive(directory):
        check_replaceable(directory, overwrite, kind)
        remove_stale(directory.parent, directory.name)
        with new_directory(directory) as building:
            yield building


def _has_record(directory: Path, kind: OutputKind) -> bool:
    if kind.format is None:
        return (directory / kind.record).is_file()
    try:
        record = parse_object(read_bounded(directory / kind.record))
    except (OSError, ValueError):
        return False
    return record.get("format") in (kind.format, *kind.other_formats)
