"""The folder for files that can be downloaded or compiled again."""

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from gptcli.errors import ResourceError
from gptcli.runtime.files import reported

_SCRATCH = ".scratch-"


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


@contextlib.contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """A folder in ``parent`` for the files of this process, removed when the block ends.

    Those of processes that were killed are removed first.
    """
    for other in parent.glob(f"{_SCRATCH}*"):
        if not _is_running(other.name.removeprefix(_SCRATCH)):
            shutil.rmtree(other, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{_SCRATCH}{os.getpid()}-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _is_running(name: str) -> bool:
    """Whether the process is there that a scratch folder is named after."""
    number = name.partition("-")[0]
    if sys.platform == "win32" or not number.isdigit():  # there os.kill would end it
        return True
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is another user's
        return True
    return True


def _is_own(found: os.stat_result) -> bool:
    is_users = sys.platform == "win32" or found.st_uid == os.getuid()
    return is_users and (S_ISDIR(found.st_mode) or S_ISREG(found.st_mode))
