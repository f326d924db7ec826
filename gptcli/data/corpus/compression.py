"""Opening files that may be compressed, with errors that name the file and the offset."""

import gzip
import io
import zlib
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from gptcli.errors import DataError, ResourceError, UsageError

# A zstd block of 4 bytes may hold 128 KiB, so a piece decompresses to 64 MiB at the most.
_ZSTD_PIECE = 2048
_LARGEST_ZSTD_WINDOW = 2**31  # what `zstd --long=31` needs
_ENOUGH_TO_ESTIMATE = 2**20  # decompressed bytes


class Compression(StrEnum):
    """How the bytes of an input are stored, by the end of its name."""

    NONE = "none"
    GZIP = "gzip"
    ZSTD = "zstd"


class _Stream(Protocol):
    def readinto(self, buffer: Any, /) -> int: ...
    def consumed(self) -> int: ...
    def close(self) -> None: ...


class _CorruptError(Exception):
    """The compressed data are not what they should be."""


def open_bytes(path: Path, name: str, compression: Compression) -> io.BufferedReader:
    """The decompressed bytes of a file; seekable where it is not compressed.

    Raises ResourceError where reading is refused and UsageError where zstandard is missing;
    while it is read DataError, with the offset, for what is truncated or corrupt.
    """
    if compression is Compression.ZSTD:
        check_zstandard(name)
    try:
        stream = _OPENERS[compression](path)
    except OSError as error:
        raise _refusal(name, error) from error
    return io.BufferedReader(_Reported(stream, name, compression))


def estimated_size(path: Path, name: str, compression: Compression, n_bytes: int) -> int:
    """Estimate the decompressed size of a file of ``n_bytes`` from its first MiB."""
    with open_bytes(path, name, compression) as file:
        given = len(file.read(_ENOUGH_TO_ESTIMATE))
        if given < _ENOUGH_TO_ESTIMATE:
            return given
        assert isinstance(file.raw, _Reported)
        return max(given, n_bytes * given // max(file.raw.consumed(), 1))


def check_zstandard(name: str) -> None:
    """Raise UsageError, saying how to install zstandard, where it is missing."""
    try:
        import zstandard  # noqa: F401
    except ImportError:
        raise UsageError(
            f"{name} is compressed with zstd: pip install 'gptcli[sources]' to read it"
        ) from None


class _Reported(io.RawIOBase):
    """A stream whose errors are raised as errors of gptcli."""

    def __init__(self, stream: Any, name: str, compression: Compression) -> None:
        self._stream: io.FileIO | _Stream = stream
        self._name = name
        self._compression = compression
        self._offset = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        try:
            count = self._stream.readinto(buffer)
        except EOFError:
            raise DataError(
                f"{self._name} ends in the middle of its {self._compression} data, after "
                f"{self._offset:,} decompressed bytes: copy or download it again"
            ) from None
        except (_CorruptError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(
                f"{self._name} is damaged: no {self._compression} data after {self._offset:,} "
                f"decompressed bytes ({error}): copy or download it again"
            ) from None
        except OSError as error:
            raise _refusal(self._name, error) from error
        self._offset += count
        return count

    def seekable(self) -> bool:
        return isinstance(self._stream, io.FileIO)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        if not isinstance(self._stream, io.FileIO):
            raise io.UnsupportedOperation("seek")
        self._offset = self._stream.seek(offset, whence)
        return self._offset

    def consumed(self) -> int:
        """The number of compressed bytes that were read."""
        return self._offset if isinstance(self._stream, io.FileIO) else self._stream.consumed()

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


class _GzipStream(gzip.GzipFile):
    """Reads gzip of one or more members; an empty file counts as truncated."""

    _is_begun = False

    def readinto(self, buffer: Any, /) -> int:
        content = self.read1(len(buffer))  # one piece, so that a later error does not lose it
        if not content and not self._is_begun and not self.consumed():
            raise EOFError
        self._is_begun = True
        buffer[: len(content)] = content
        return len(content)

    def consumed(self) -> int:
        """How many bytes of the file were read."""
        return int(self.fileobj.tell())  # type: ignore[union-attr]


class _ZstdStream:
    """Reads zstd of one or more frames.

    It feeds the decompressor itself, since the library's stream accepts truncated files.
    """

    def __init__(self, path: Path) -> None:
        import zstandard

        self._error = zstandard.ZstdError
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=_LARGEST_ZSTD_WINDOW)
        self._file = path.open("rb")
        self._frame: Any = None
        self._left = b""
        self._ready = memoryview(b"")
        self._consumed = 0

    def readinto(self, buffer: Any, /) -> int:
        while not self._ready:
            if not self._decompress():
                return 0
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def consumed(self) -> int:
        """How many bytes of the file were read."""
        return self._consumed

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _decompress(self) -> bool:
        """Make the next piece ready; False at the end."""
        piece = self._left or self._file.read(_ZSTD_PIECE)
        if not piece:
            if self._frame is not None or not self._consumed:
                raise EOFError
            return False
        if not self._left:
            self._consumed += len(piece)
        if self._frame is None:
            self._frame = self._decompressor.decompressobj()
        try:
            self._ready = memoryview(self._frame.decompress(piece))
        except self._error as error:
            raise _CorruptError(str(error)) from None
        self._left = self._frame.unused_data if self._frame.eof else b""
        if self._frame.eof:
            self._frame = None
        return True


_OPENERS: dict[Compression, Callable[[Path], Any]] = {
    Compression.NONE: lambda path: io.FileIO(path, "rb"),
    Compression.GZIP: lambda path: _GzipStream(path, "rb"),
    Compression.ZSTD: _ZstdStream,
}


def _refusal(name: str, error: OSError) -> ResourceError:
    return ResourceError(f"cannot read {name}: {error.strerror or error}")
