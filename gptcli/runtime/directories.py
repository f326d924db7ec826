"""Directories that appear whole: filled under a hidden name, then put in place in one rename."""

import contextlib
import ctypes
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from gptcli.runtime.files import put_in_place, reported, sync_directory, sync_file, temporary_name

# What a killed process leaves: ours, one beside each lock, and safetensors' own ".tmp" + 6.
_LEFTOVER = re.compile(r"\.(?P<kind>tmp|old)-(?P<name>.+)-[0-9a-f]{8}")
_OTHER_LEFTOVER = re.compile(r"\.tmp[A-Za-z0-9]{6}|\..+\.lock")
_AT_WORKING_DIRECTORY, _EXCHANGE = -100, 2  # of renameat2; renamex_np has the same 2


class NewDirectory:
    """A directory that is filled at ``directory`` until ``commit`` puts it at ``path``.

    What was at ``path`` before stays whole until then; the caller has checked that it may go.
    """

    def __init__(self, path: Path, directory: Path) -> None:
        self.path = path
        self.directory = directory

    @classmethod
    def beside(cls, path: Path) -> "NewDirectory":
        """Make an empty one under a hidden name beside ``path``."""
        with reported(path):
            _make_parents(path)
            temporary = temporary_name(path)
            temporary.mkdir()
        return cls(path, temporary)

    @classmethod
    def existing(cls, path: Path) -> "NewDirectory":
        """One that is in its place already."""
        return cls(path, path)

    @property
    def is_in_place(self) -> bool:
        """Whether it is at ``path``."""
        return self.directory == self.path

    def commit(self) -> None:
        """Put it in its place, and remove what was there."""
        if self.is_in_place:
            return
        with reported(self.path):
            sync_tree(self.directory)
            replaced = _swap_in(self.directory, self.path)
        self.directory = self.path
        if replaced is not None:
            shutil.rmtree(replaced, ignore_errors=True)

    def discard(self) -> None:
        """Remove it, unless it is in its place."""
        if not self.is_in_place:
            shutil.rmtree(self.directory, ignore_errors=True)


@contextlib.contextmanager
def discarded_unless_committed(new: NewDirectory) -> Iterator[NewDirectory]:
    """Remove ``new`` when the block ends without having committed it."""
    try:
        yield new
    finally:
        new.discard()


@contextlib.contextmanager
def new_directory(path: Path) -> Iterator[Path]:
    """Yield a temporary directory to fill, which is at ``path`` when the block has ended.

    An existing ``path`` is replaced. After an error nothing is left, and the old one stays.
    """
    with discarded_unless_committed(NewDirectory.beside(path)) as new, reported(path):
        yield new.directory
        new.commit()


def is_leftover(name: str) -> bool:
    """Whether a killed process may have left a file or directory of this name."""
    return bool(_LEFTOVER.fullmatch(name) or _OTHER_LEFTOVER.fullmatch(name))


def remove_stale(parent: Path, name: str) -> None:
    """Remove what a killed run left of ``parent/name``; call it while holding its lock.

    If the run was killed between the two renames of a replacement, the old state is restored.
    """
    if not parent.is_dir():
        return
    for entry in sorted(parent.iterdir()):
        if (match := _LEFTOVER.fullmatch(entry.name)) is None or match["name"] != name:
            continue
        if match["kind"] == "old" and not (parent / name).exists():
            put_in_place(entry, parent / name)
        else:
            _remove(entry)


def remove_all_stale(folder: Path) -> None:
    """Remove all that killed runs left in ``folder``; call it while holding its lock."""
    if not folder.is_dir():
        return
    for entry in list(folder.iterdir()):
        if match := _LEFTOVER.fullmatch(entry.name):
            remove_stale(folder, match["name"])
        elif _OTHER_LEFTOVER.fullmatch(entry.name):
            _remove(entry)


def sync_tree(root: Path) -> None:
    """Force everything below ``root`` to the disk."""
    for folder, _, files in os.walk(root):
        for name in files:
            sync_file(Path(folder, name))
        sync_directory(Path(folder))


def _make_parents(path: Path) -> None:
    """Make the folders above ``path`` that are missing, so that a power loss does not undo it."""
    missing = [folder for folder in path.parents if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        sync_directory(folder.parent)


def _remove(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry, ignore_errors=True)
    else:
        entry.unlink(missing_ok=True)


def _swap_in(temporary: Path, path: Path) -> Path | None:
    """Rename ``temporary`` to ``path``; returns where the directory is now that was there."""
    replaced = None
    if path.exists():
        replaced = temporary
        if not _exchange(temporary, path):
            # A kill between these two leaves the old one under a name that remove_stale knows.
            replaced = path.with_name(temporary.name.replace(".tmp-", ".old-", 1))
            put_in_place(path, replaced)
            put_in_place(temporary, path)
    else:
        put_in_place(temporary, path)
    sync_directory(path.parent)
    return replaced


def _exchange(one: Path, other: Path) -> bool:
    """Swap two names in one step; False where the system or the file system cannot."""
    if sys.platform == "win32":
        return False
    library = ctypes.CDLL(None)
    here, a, b = _AT_WORKING_DIRECTORY, os.fsencode(one), os.fsencode(other)
    result = -1
    if hasattr(library, "renameat2"):  # Linux, glibc 2.28 and later
        result = library.renameat2(here, a, here, b, _EXCHANGE)
    elif hasattr(library, "renamex_np"):  # macOS
        result = library.renamex_np(a, b, _EXCHANGE)
    return result == 0
