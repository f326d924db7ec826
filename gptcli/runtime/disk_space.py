"""Room on a disk, looked at before something large is written."""

import shutil
from pathlib import Path

from gptcli.errors import ResourceError

try:
    import resource
except ImportError:  # Windows has no limits of this kind
    resource = None  # type: ignore[assignment]


def check_room(directory: Path, what: str, n_bytes: int, largest_file: int) -> None:
    """Raise ResourceError where ``n_bytes`` more do not fit on the disk of ``directory``.

    Also where no file may be as large as the ``largest_file`` of them. ``what`` takes the room.
    """
    place = next(path for path in (directory, *directory.absolute().parents) if path.is_dir())
    free = shutil.disk_usage(place).free
    if free < n_bytes:
        raise ResourceError(
            f"{what} takes {n_bytes:,} bytes and the disk of {directory} has {free:,} left: "
            "free some space or write elsewhere"
        )
    limit = _file_size_limit()
    if limit is not None and limit < largest_file:
        raise ResourceError(
            f"{what} has a file of {largest_file:,} bytes, but this process may write only files "
            f"of {limit:,}: raise the limit, ulimit -f unlimited"
        )


def _file_size_limit() -> int | None:
    """The bytes that a file written by this process may have; None without a limit."""
    if resource is None:
        return None
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return None if limit == resource.RLIM_INFINITY else limit
