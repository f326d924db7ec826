"""The files of a directory's weights, held open while they are read.

A file may be replaced by another at any time: what is read through one descriptor, header and
tensors, is of one file.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from gptcli.checkpoint.header import TensorInfo, header_of, opened
from gptcli.checkpoint.model_files import weight_files
from gptcli.errors import CheckpointError


@dataclass(frozen=True)
class WeightFile:
    """An open file of weights, and its tensors by name."""

    path: Path
    stream: FileIO
    tensors: Mapping[str, TensorInfo]

    def is_in_place(self) -> bool:
        """Whether it is the file at its path still, not one that another has replaced."""
        try:
            return os.path.samestat(self.path.stat(), os.fstat(self.stream.fileno()))
        except OSError:
            return False


@contextmanager
def opened_weights(directory: Path) -> Iterator[list[WeightFile]]:
    """Open all files of a directory's weights, whose headers are checked.

    CheckpointError afterwards where a file was written to meanwhile, not replaced by another.
    """
    with ExitStack() as stack:
        streams = {path: stack.enter_context(opened(path)) for path in weight_files(directory)}
        before = {path: _state(stream) for path, stream in streams.items()}
        yield [
            WeightFile(path, stream, header_of(stream, path)) for path, stream in streams.items()
        ]
        for path, stream in streams.items():
            if _state(stream) != before[path]:
                raise CheckpointError(f"{path} changed while it was read: try again later")


def _state(stream: FileIO) -> tuple[int, int]:
    status = os.fstat(stream.fileno())
    return status.st_size, status.st_mtime_ns
