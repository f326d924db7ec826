"""The header of a safetensors file, checked before any library trusts it.

Format: 8 bytes of little-endian header length, a JSON object name -> dtype, shape and
data_offsets, then the tensors' bytes. https://huggingface.co/docs/safetensors
"""

import json
import math
import os
import re
import struct
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

from gptcli.errors import CheckpointError, UsageError
from gptcli.runtime.files import is_lfs_pointer, whole_number

_LARGEST_HEADER = 4_000_000
_POINTER_BYTES = 64
_MOST_DIMENSIONS = 16  # our tensors have up to 2; a product of many takes the square of the time
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,255}")
_ITEM_BYTES = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2,
    "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1,
}  # fmt: skip


@dataclass(frozen=True)
class TensorInfo:
    """What the header says about one tensor; ``start`` is the byte of the file where it begins."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    n_bytes: int


def read_header(path: Path) -> dict[str, TensorInfo]:
    """Every tensor of the file by name; raises what ``opened`` and ``header_of`` raise."""
    with opened(path) as stream:
        return header_of(stream, path)


def opened(path: Path) -> FileIO:
    """Open a file of tensors; UsageError where there is none, or it cannot be read."""
    if path.exists() and not path.is_file():  # reading a pipe would block
        raise CheckpointError(f"{path} is not a regular file")
    try:
        return FileIO(path)
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error


def header_of(stream: FileIO, path: Path) -> dict[str, TensorInfo]:
    """Every tensor of an open file by name; reads the header alone.

    CheckpointError where it is damaged; ``path`` is its name for messages.
    """
    try:
        size = os.fstat(stream.fileno()).st_size
        if is_lfs_pointer(_read(stream, _POINTER_BYTES)):
            raise CheckpointError(f"{path} is a git-lfs pointer, not the weights: git lfs pull")
        stream.seek(0)
        header = _read(stream, _header_length(_read(stream, 8), size, path))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    first = 8 + len(header)
    tensors = _parse(header, first, path)
    _check_layout(tensors, first, size, path)
    return tensors


def _read(stream: FileIO, count: int) -> bytes:
    """The next ``count`` bytes, fewer at the end of the file alone."""
    parts = []
    while count and (part := stream.read(count)):
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _header_length(prefix: bytes, size: int, path: Path) -> int:
    if len(prefix) < 8:
        raise CheckpointError(f"{path} has {size} bytes: it is cut short or not a safetensors file")
    length: int = struct.unpack("<Q", prefix)[0]
    if length > _LARGEST_HEADER or length + 8 > size:
        raise CheckpointError(
            f"{path} declares a header of {length:,} bytes in a file of {size:,}: "
            "it is damaged or not a safetensors file"
        )
    return length


def _parse(header: bytes, first: int, path: Path) -> dict[str, TensorInfo]:
    try:
        entries = json.loads(header, object_pairs_hook=_no_duplicates, parse_int=whole_number)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} has a damaged header: {error}") from error
    if not isinstance(entries, dict):
        raise CheckpointError(f"{path} has a damaged header: not a JSON object")
    if not _is_metadata(entries.pop("__metadata__", None)):
        raise CheckpointError(f"{path} has a damaged header: its metadata are not texts")
    return {name: _tensor(name, entry, first, path) for name, entry in entries.items()}


def _is_metadata(value: Any) -> bool:
    """Whether the library takes it for metadata."""
    if isinstance(value, dict):
        return all(isinstance(text, str) for text in value.values())
    return value is None


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) != len(pairs):
        raise ValueError("a name occurs twice")
    return entries


def _tensor(name: str, entry: Any, first: int, path: Path) -> TensorInfo:
    if not _NAME.fullmatch(name) or ".." in name:
        raise CheckpointError(f"{path}: tensor name {name[:80]!r} is not allowed")
    try:
        dtype, shape, (start, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
        if len(shape) > _MOST_DIMENSIONS:
            raise ValueError(f"{len(shape):,} dimensions, at most {_MOST_DIMENSIONS} are possible")
        numbers = [*shape, start, end]
        if any(type(number) is not int or not 0 <= number < 2**53 for number in numbers):
            raise ValueError("sizes must be whole numbers")
        if dtype not in _ITEM_BYTES:
            raise ValueError(f"dtype {dtype!r:.20} is not supported")
        n_bytes = _ITEM_BYTES[dtype] * math.prod(shape)
        if n_bytes >= 2**63:
            raise ValueError("larger than any file")
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: tensor {name} is described wrongly ({error})") from error
    if end - start != n_bytes:
        raise CheckpointError(
            f"{path}: tensor {name} of {dtype} {shape} needs {n_bytes:,} bytes, has {end - start:,}"
        )
    return TensorInfo(dtype, tuple(shape), first + start, n_bytes)


def _check_layout(tensors: dict[str, TensorInfo], first: int, size: int, path: Path) -> None:
    position = first
    for name, info in sorted(tensors.items(), key=lambda item: (item[1].start, item[1].n_bytes)):
        if info.start != position:
            raise CheckpointError(f"{path}: tensor {name} overlaps another or leaves a gap")
        position += info.n_bytes
    if position != size:
        raise CheckpointError(
            f"{path} holds {size - first:,} bytes of tensors, its header describes "
            f"{position - first:,}: it is cut short or damaged"
        )
