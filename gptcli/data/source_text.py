"""Reading text as strict UTF-8, with errors that tell where it is not."""

import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

from gptcli.data.encodings import START_BYTES, not_utf8, refuse_other_than_text
from gptcli.errors import DataError, ResourceError, UsageError

STDIN = "-"


@dataclass(frozen=True)
class SourceText:
    """A text exactly as it was given, and its name for messages."""

    name: str
    text: str

    def checked(self) -> "SourceText":
        """The text itself; DataError if it is empty or only white space."""
        if not self.text or self.text.isspace():
            what = "holds only white space" if self.text else "is empty"
            raise DataError(f"{self.name} {what}: give some text")
        return self


def read_text(path: Path, limit: int, remedy: str) -> SourceText:
    """The text of a file, a FIFO or, for ``-``, of stdin, with its line ends.

    Raises DataError with the ``remedy`` for more than ``limit`` bytes, and what ``read_bytes`` and
    ``decode_text`` do.
    """
    is_stdin = str(path) == STDIN
    content = sys.stdin.buffer.read(limit + 1) if is_stdin else read_bytes(path, limit + 1)
    name = "stdin" if is_stdin else str(path)
    if len(content) > limit:
        raise DataError(f"{name} has more than {limit:,} bytes, too many to take at once: {remedy}")
    return decode_text(content, name)


def read_bytes(path: Path, most: int) -> bytes:
    """The bytes of a file or a FIFO, at most that many.

    Raises UsageError for what is not a file, ResourceError where reading is refused and
    DataError where the content changes while it is read.
    """
    try:
        with path.open("rb") as file:
            before = os.fstat(file.fileno())
            _check_kind(path, before.st_mode)
            content = file.read(most)
            after = os.fstat(file.fileno())
    except FileNotFoundError:
        raise UsageError(f"{path} not found: check the path") from None
    except IsADirectoryError:
        raise UsageError(f"{path} is a directory: name a text file in it") from None
    except OSError as error:
        raise ResourceError(f"cannot read {path}: {error.strerror or error}") from error
    changed = (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns)
    if changed and stat.S_ISREG(before.st_mode):
        raise DataError(f"{path} changed while it was read: wait until it is written")
    return content


def decode_text(content: bytes, name: str) -> SourceText:
    """``content`` as strict UTF-8; a byte order mark stays, as a character.

    Raises DataError with the offset of the first byte that is not UTF-8, and for text in
    UTF-16 or UTF-32 and for a git-lfs pointer.
    """
    refuse_other_than_text(name, content[:START_BYTES])
    try:
        return SourceText(name, content.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        place = f"at offset {error.start:,} (line {line:,})"
        rest = content[error.start :]
        raise DataError(not_utf8(name, rest[0], place, content, rest)) from None


def _check_kind(path: Path, mode: int) -> None:
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        raise UsageError(f"{path} is a device: name a file, or pipe the text in and write -")
