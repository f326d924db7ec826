"""The folder for files that can be downloaded or compiled again."""

import contextlib
import os
import sys
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from gptcli.errors import ResourceError
from gptcli.runtime.files import reported


def cache_folder() -> Path:
    """The folder of gptcli among the caches of this system."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        given = os.environ.get("XDG_CACHE_HOME", "")
        # A relative one is invalid by the XDG Base Directory Specification, and so ignored.
        base = given if Path(given).is_absolute() else Path.home() / ".cache"
    return Path(base) / "gptcli"


def is_private(path: Path) -> bool:
    """Whether ``path`` is this user's own, no link, and open to nobody else where a folder."""
    try:
        found = path.lstat()
    except OSError:
        return False
    if not path.is_absolute() or not _is_own(found):
        return False
    return sys.platform == "win32" or not (S_ISDIR(found.st_mode) and found.st_mode & 0o077)


def make_private(folder: Path) -> None:
    """Make a folder for this user alone, and empty it if others could have written there.

    Raises ResourceError where it is a link or another user's.
    """
    with reported(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        if is_private(folder):
            return
        found = folder.lstat()
        if not folder.is_absolute() or not S_ISDIR(found.st_mode) or not _is_own(found):
            raise ResourceError(
                f"{folder} is a link or belongs to another user, so code is not loaded from it: "
                "remove it, or set XDG_CACHE_HOME to a folder of your own"
            )
        folder.chmod(0o700)
        for file in folder.iterdir():
            if not file.is_dir() or file.is_symlink():
                file.unlink()


def _is_own(found: os.stat_result) -> bool:
    is_users = sys.platform == "win32" or found.st_uid == os.getuid()
    return is_users and (S_ISDIR(found.st_mode) or S_ISREG(found.st_mode))
