"""Finding the files of a path, a directory or a glob."""

import contextlib
import difflib
import glob
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from gptcli.data.dataset_record import RECORD_FILE
from gptcli.errors import ResourceError, UsageError
from gptcli.tokenization.tokenizer import TOKENIZER_FILE


@dataclass(frozen=True)
class FoundFile:
    """A file with its name for messages, its path, and its status."""

    name: str
    path: Path
    status: os.stat_result

    @property
    def is_pipe(self) -> bool:
        """Whether it can be read only once."""
        return stat.S_ISFIFO(self.status.st_mode)


@dataclass(frozen=True)
class Found:
    """The files that a source stands for, and whether it is a directory or a glob."""

    source: str
    files: tuple[FoundFile, ...]
    is_directory: bool = False
    is_glob: bool = False


def find_files(source: str, names: Iterable[str] = ()) -> Found:
    """The file of that name, all files below a directory, or all that match a glob.

    Files are in the order of their paths. Below a directory, hidden entries, symlinked
    directories, devices, datasets and models are skipped. Raises UsageError for a device and
    for a missing file, for which it suggests the nearest of ``names`` and of the files beside
    it, and ResourceError where the system refuses access.
    """
    if not source:
        raise UsageError("the name of a source is empty: name a text file")
    path = Path(source)
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        if path.is_symlink():
            raise UsageError(f"{source} is a link to a missing file: check the path") from None
        if glob.has_magic(source):
            return _find_glob(source)
        _refuse_missing(source, names)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise _unreadable(source, error) from error
    if stat.S_ISDIR(status.st_mode):
        return Found(source, tuple(_below(path)), is_directory=True)
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISFIFO(status.st_mode):
        raise UsageError(f"{source} is a device: name a file, or pipe the text in and write -")
    return Found(source, (FoundFile(source, path, status),))


def is_glob(source: str) -> bool:
    """Whether this is a pattern, not an existing file whose name looks like one."""
    return glob.has_magic(source) and not os.path.lexists(source)


def _find_glob(pattern: str) -> Found:
    names = sorted(glob.iglob(pattern, recursive=True), key=lambda name: Path(name).as_posix())
    paths = [path for path in map(Path, dict.fromkeys(names)) if not _leads_nowhere(path)]
    files = [FoundFile(str(path), path, _status(path)) for path in paths]
    kept = tuple(file for file in files if stat.S_ISREG(file.status.st_mode))
    if not kept:
        raise UsageError(f"{pattern} matches no file: check the pattern")
    return Found(pattern, kept, is_glob=True)


def _below(root: Path) -> Iterator[FoundFile]:
    for path in sorted(_walk(root), key=lambda path: path.as_posix()):
        if _leads_nowhere(path):
            continue
        status = _status(path)
        if stat.S_ISREG(status.st_mode):
            yield FoundFile(str(path), path, status)


def _walk(root: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> NoReturn:
        raise _unreadable(error.filename, error) from error

    for folder, directories, names in os.walk(root, onerror=refuse):
        directories[:] = [
            name
            for name in directories
            if not name.startswith(".") and not _is_product(Path(folder, name))
        ]
        yield from (Path(folder, name) for name in names if not name.startswith("."))


def _is_product(directory: Path) -> bool:
    """Whether a directory was made from text: a dataset, a run or another model."""
    made = (RECORD_FILE, "config.json")
    return (directory / TOKENIZER_FILE).is_file() and any(
        (directory / name).is_file() for name in made
    )


def _leads_nowhere(path: Path) -> bool:
    return path.is_symlink() and not path.exists()


def _status(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: str | Path, error: OSError | ValueError) -> ResourceError:
    return ResourceError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}")


def _refuse_missing(source: str, names: Iterable[str]) -> NoReturn:
    path = Path(source)
    choices = {name: name for name in names}
    with contextlib.suppress(OSError, ValueError):
        choices |= {beside.name: str(beside) for beside in path.parent.iterdir()}
    near = difflib.get_close_matches(path.name.lower(), choices, n=1)
    hint = (
        f"did you mean {choices[near[0]]}?"
        if near
        else "check the path (no text at hand? gptcli prepare shakespeare)"
    )
    raise UsageError(f"{source} not found: {hint}")
