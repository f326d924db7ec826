"""The inputs of a corpus: files, how they are stored, and how documents are arranged in them."""

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from io import BufferedReader
from pathlib import Path
from typing import Any

from gptcli.data.corpus.compression import Compression, estimated_size, open_bytes
from gptcli.errors import DataError, ResourceError


class DocumentLayout(StrEnum):
    """How documents are arranged in an input: one text, one per line, or one per row.

    JSON is what was not written in lines, in a copy with a record per line.
    """

    TEXT = "text"
    JSONL = "jsonl"
    JSON = "json"
    PARQUET = "parquet"


_COMPRESSIONS = {".gz": Compression.GZIP, ".zst": Compression.ZSTD}
_LAYOUTS = {
    ".jsonl": DocumentLayout.JSONL,
    ".ndjson": DocumentLayout.JSONL,
    ".parquet": DocumentLayout.PARQUET,
}
_PACKED = frozenset({".tar", ".tgz", ".zip", ".7z", ".rar", ".bz2", ".xz"})


@dataclass(frozen=True)
class TextInput:
    """One file to read, with the size and time that it had when it was found.

    Attributes:
        name: the name by which the user knows it, for messages.
        path: its absolute path; for stdin, a pipe or a built-in source that of its copy.
        layout: how documents are arranged in it.
        compression: how it is stored.
        n_bytes: its size on disk.
        modified_ns: when it was last written, in nanoseconds.
        changed_ns: when it was last changed in any way, which no program can set; None in a plan
            that another process made, perhaps on a system with other clocks.

    """

    name: str
    path: Path
    layout: DocumentLayout
    compression: Compression
    n_bytes: int
    modified_ns: int
    changed_ns: int | None = field(default=None, compare=False)

    def open(self) -> BufferedReader:
        """The decompressed bytes, for a ``with`` block; seekable where nothing is compressed.

        Raises ResourceError where reading is refused; while it is read DataError, with the
        offset, where compressed data are truncated or corrupt, and UsageError where the extra
        that reads them is missing.
        """
        return open_bytes(self.path, self.name, self.compression)

    def expected_bytes(self) -> int:
        """The number of bytes that ``open`` gives; an estimate if they are compressed."""
        if self.compression is Compression.NONE:
            return self.n_bytes
        return estimated_size(self.path, self.name, self.compression, self.n_bytes)

    def check_unchanged(self) -> None:
        """Raise DataError if the size or the time of the file has changed."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            raise DataError(f"{self.name} disappeared while it was read: put it back") from None
        except OSError as error:
            raise ResourceError(f"cannot read {self.name}: {error.strerror or error}") from error
        is_changed = self.changed_ns not in (None, status.st_ctime_ns)
        if is_changed or (status.st_size, status.st_mtime_ns) != (self.n_bytes, self.modified_ns):
            raise DataError(f"{self.name} changed while it was read: wait until it is written")

    def to_json(self) -> dict[str, Any]:
        """All fields, for a file that another process reads, but the time of the last change."""
        fields = {**asdict(self), "path": str(self.path)}
        del fields["changed_ns"]
        return fields

    @classmethod
    def from_json(cls, value: Any) -> "TextInput":
        """Read what ``to_json`` gave; ValueError, KeyError or TypeError for anything else."""
        counts = (value["n_bytes"], value["modified_ns"])
        if not all(type(count) is int for count in counts):
            raise ValueError("n_bytes or modified_ns is not a whole number")
        return cls(
            name=str(value["name"]),
            path=Path(value["path"]),
            layout=DocumentLayout(value["layout"]),
            compression=Compression(value["compression"]),
            n_bytes=counts[0],
            modified_ns=counts[1],
        )


@dataclass(frozen=True)
class Corpus:
    """All inputs in the order they are read.

    Attributes:
        inputs: at least one.
        is_collection: whether it has many documents: several files, a directory, a glob, records.
        name: the default name of a dataset made from it.
        title: a description for the record and messages: the source, or "3 files".
        n_skipped: files of directories that were left out as binary.

    """

    inputs: tuple[TextInput, ...]
    is_collection: bool
    name: str
    title: str
    n_skipped: int


def input_at(name: str, path: Path, file_name: str | None = None) -> TextInput:
    """The input at ``path``; its layout and compression follow from the end of its name."""
    layout, compression = form_of(name if file_name is None else file_name)
    try:
        status = path.stat()
    except OSError as error:
        raise ResourceError(f"cannot read {name}: {error.strerror or error}") from error
    return TextInput(
        name,
        path.absolute(),
        layout,
        compression,
        n_bytes=status.st_size,
        modified_ns=status.st_mtime_ns,
        changed_ns=status.st_ctime_ns,
    )


def form_of(name: str) -> tuple[DocumentLayout, Compression]:
    """The layout and the compression that the end of a file's name tells."""
    path = Path(name.lower())
    layout = _LAYOUTS.get(without_compression(path).suffix, DocumentLayout.TEXT)
    return layout, _COMPRESSIONS.get(path.suffix, Compression.NONE)


def is_packed(name: str) -> bool:
    """Whether the end of a file's name tells of an archive, or a compression not read here."""
    return without_compression(Path(name.lower())).suffix in _PACKED


def without_compression(path: Path) -> Path:
    """The path without the suffix of a compression: ``a.txt.gz`` gives ``a.txt``."""
    return path.with_suffix("") if path.suffix.lower() in _COMPRESSIONS else path
