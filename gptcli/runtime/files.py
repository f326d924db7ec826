"""Reading small files, and writing any atomically: a crash leaves the old or the new, no part."""

import contextlib
import errno
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from gptcli.errors import ResourceError

_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_LARGEST_RECORD = 4_000_000
_PAUSES = tuple(0.05 * 2**number for number in range(6))  # seconds; together some three
NUMBER_TOO_LONG = "a number in it is too long"


def is_there(name: str) -> bool:
    """Whether a path exists; False also for a text that cannot be a path."""
    try:
        return Path(name).exists()
    except (OSError, ValueError):
        return False


def is_lfs_pointer(start: bytes) -> bool:
    """Whether a file that begins so stands for a larger one, which git-lfs has not fetched.

    Format: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
    """
    return start.startswith(_LFS_POINTER)


def read_bounded(path: Path, limit: int = _LARGEST_RECORD) -> bytes:
    """Read a whole file; OSError where it cannot be read, ValueError above ``limit`` bytes.

    Also ValueError for a git-lfs pointer.
    """
    if path.exists() and not path.is_file():  # reading a pipe would block
        raise ValueError("it is not a regular file")
    with path.open("rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"it has more than {limit:,} bytes, too many for a file of its kind")
    if is_lfs_pointer(content):
        raise ValueError("it is a git-lfs pointer, not the file itself: git lfs pull")
    return content


def parse_object(content: bytes) -> dict[str, Any]:
    """Parse a JSON object; ValueError for anything else, also NaN and too deep nesting."""
    try:
        value = json.loads(content, parse_constant=_refuse_constant, parse_int=whole_number)
    except RecursionError:
        raise ValueError("it is too deeply nested") from None
    if not isinstance(value, dict):
        raise ValueError("it does not hold a JSON object")
    return value


def whole_number(digits: str) -> int:
    """A whole number of a JSON file; ValueError for one of thousands of digits."""
    try:
        return int(digits)
    except ValueError:  # Python's own message advises a change of its settings
        raise ValueError(NUMBER_TOO_LONG) from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def sync_file(path: Path) -> None:
    """Force a file's bytes to the disk."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_directory(path: Path) -> None:
    """Force a directory's entries to the disk; a no-op where directories cannot be opened."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def settle(descriptor: int) -> None:
    """Force written data to the disk, and drop it from the system's cache.

    Otherwise the system slows down a process with much unwritten data.
    """
    os.fsync(descriptor)
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def temporary_name(path: Path) -> Path:
    """A name beside ``path`` for what is being written; after a crash the next start removes it."""
    return path.with_name(f".tmp-{path.name}-{os.urandom(4).hex()}")


def put_in_place(source: Path, target: Path) -> None:
    """Rename ``source`` to ``target``, replacing a file there.

    Windows refuses that while another program, such as a virus scanner, has one of them open, so
    it is tried again for some seconds there.
    """
    for pause in _PAUSES if os.name == "nt" else ():
        try:
            os.replace(source, target)
        except PermissionError:
            time.sleep(pause)
        else:
            return
    os.replace(source, target)


def replace_file(path: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, then put it in place atomically."""
    temporary = temporary_name(path)
    with reported(path):
        try:
            write(temporary)
            os.chmod(temporary, 0o666 & ~_umask())  # safetensors makes files private
            sync_file(temporary)
            put_in_place(temporary, path)
            sync_directory(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Replace ``path`` by ``content``, atomically."""
    replace_file(path, lambda temporary: _write(temporary, content))


def write_text(path: Path, text: str) -> None:
    """Replace ``path`` by ``text`` in UTF-8, atomically, line ends as they are."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Replace ``path`` by indented JSON, atomically; ValueError for NaN, which is not JSON."""
    # In ASCII, since a path may hold bytes that UTF-8 has no characters for.
    text = json.dumps(value, indent=2, allow_nan=False)
    write_text(path, text + "\n")


def finite(value: Any) -> Any:
    """The same with None in place of numbers that JSON cannot hold."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: finite(item) for name, item in value.items()}
    return [finite(item) for item in value] if isinstance(value, list | tuple) else value


@contextlib.contextmanager
def reported(path: Path) -> Iterator[None]:
    """Turn an OSError into a ResourceError that names the path."""
    try:
        yield
    except OSError as error:
        raise ResourceError(_explain(error, path)) from error


def _explain(error: OSError, path: Path) -> str:
    place = error.filename or path
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"no room to write {place} ({error.strerror}): free some space or write elsewhere"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"not allowed to write {place} ({error.strerror}): choose another --out"
    return f"cannot write {place}: {error.strerror or error}"


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
