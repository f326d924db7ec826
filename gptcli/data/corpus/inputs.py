"""From the sources that a user names to the inputs to read."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from io import BufferedReader
from pathlib import Path
from typing import Any

from gptcli.config.data import ArithmeticOptions
from gptcli.data.corpus.compression import Compression, estimated_size, open_bytes
from gptcli.data.corpus.finding import Found, FoundFile, find_files, is_glob
from gptcli.data.corpus.sources import BUILT_IN_SOURCES, STDIN
from gptcli.data.corpus.spooling import copy_pipe, copy_stdin, write_copy
from gptcli.errors import DataError, ResourceError, UsageError


class DocumentLayout(StrEnum):
    """How documents are arranged in an input: one text, one per line, or one per row."""

    TEXT = "text"
    JSONL = "jsonl"
    PARQUET = "parquet"


_COMPRESSIONS = {".gz": Compression.GZIP, ".zst": Compression.ZSTD}
_LAYOUTS = {
    ".jsonl": DocumentLayout.JSONL,
    ".ndjson": DocumentLayout.JSONL,
    ".parquet": DocumentLayout.PARQUET,
}
_PACKED = frozenset({".tar", ".tgz", ".zip", ".7z", ".rar", ".bz2", ".xz"})
_BINARY_WITHIN = 2**13


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

    """

    name: str
    path: Path
    layout: DocumentLayout
    compression: Compression
    n_bytes: int
    modified_ns: int

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
            raise DataError(f"{self.name} vanished while it was read: put it back") from None
        except OSError as error:
            raise ResourceError(f"cannot read {self.name}: {error.strerror or error}") from error
        if (status.st_size, status.st_mtime_ns) != (self.n_bytes, self.modified_ns):
            raise DataError(f"{self.name} changed while it was read: wait until it is written")

    def to_json(self) -> dict[str, Any]:
        """All fields, for a file that another process reads."""
        return {**asdict(self), "path": str(self.path)}

    @classmethod
    def from_json(cls, value: Any) -> "TextInput":
        """Read what ``to_json`` gave; ValueError, KeyError or TypeError for anything else."""
        counts = (value["n_bytes"], value["modified_ns"])
        if not all(type(count) is int for count in counts):
            raise ValueError("n_bytes or modified_ns is no whole number")
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


def find_corpus(
    sources: Sequence[str], spool: Path, arithmetic: ArithmeticOptions | None = None
) -> Corpus:
    """Find the inputs that ``sources`` name, in their order.

    A source is the name of a built-in one (which wins over a file of that name: ``./python`` is
    the file), ``-`` for stdin, a FIFO, a file, a directory (with all below it, in the order of
    the paths; without hidden entries, symlinked directories and files with a NUL in their first
    8 KiB) or a glob. Built-ins, stdin and FIFOs are copied into the directory ``spool``, which
    must stay as long as the corpus is used. ``arithmetic`` shapes the built-ins "addition" and
    "calculator".

    Raises UsageError for a source that is missing, is not text or is named twice, and
    ResourceError where the system refuses to read, or to write the copies.
    """
    if not sources:
        raise UsageError("nothing to read: name a text file")
    found = [_find(source) for source in sources]
    _refuse_repetitions(found)
    options = arithmetic or ArithmeticOptions()
    taken = [_take(one, spool / f"{number:03}", options) for number, one in enumerate(found)]
    inputs = tuple(itertools.chain.from_iterable(one.inputs for one in taken))
    has_records = any(one.layout is not DocumentLayout.TEXT for one in inputs)
    is_found = any(one.is_directory or one.is_glob for one in found)
    return Corpus(
        inputs=inputs,
        is_collection=len(inputs) > 1 or is_found or has_records,
        name=corpus_name(sources),
        title=taken[0].title if len(taken) == 1 else f"{len(inputs):,} files",
        n_skipped=sum(one.n_skipped for one in taken),
    )


def corpus_name(sources: Sequence[str]) -> str:
    """The default name of a dataset: ``books/input.txt.gz`` gives ``input``.

    A directory gives its own name, a glob that of the directory with which it begins; of
    several sources the first one counts.
    """
    source = sources[0]
    if source in BUILT_IN_SOURCES:
        return source
    if source == STDIN:
        return "stdin"
    path = Path(source)
    if is_glob(source):
        parts = itertools.takewhile(lambda part: not is_glob(part), path.parts)
        return _name_of(Path(*parts))
    if _is_directory(path):
        return _name_of(path)
    if path.suffix.lower() in _COMPRESSIONS:
        path = path.with_suffix("")
    return path.stem.lstrip(".") or "text"


def _is_directory(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # for example a name that is too long: reading it will raise the error
        return False


def _name_of(directory: Path) -> str:
    return directory.absolute().resolve().name.lstrip(".") or "text"


@dataclass(frozen=True)
class _Taken:
    """The inputs of one source."""

    inputs: tuple[TextInput, ...]
    title: str
    n_skipped: int = 0


def _find(source: str) -> Found:
    if source == STDIN or source in BUILT_IN_SOURCES:
        return Found(source, ())
    found = find_files(source, BUILT_IN_SOURCES)
    for file in found.files:
        if not found.is_directory and _is_packed(file.name):
            raise UsageError(f"{file.name} cannot be read as it is: unpack it first")
    return found


def _refuse_repetitions(found: Sequence[Found]) -> None:
    """Raise UsageError for a file named twice, which could be in both train and val."""
    names: dict[tuple[object, ...], str] = {}
    for one in found:
        for identity, name in _identities(one):
            if identity in names:
                other = names[identity]
                both = f"{name} is named twice" if name == other else f"{name} is {other} again"
                raise UsageError(f"{both}: leave one of them out")
            names[identity] = name


def _identities(found: Found) -> Iterator[tuple[tuple[object, ...], str]]:
    if not found.files:
        yield (found.source,), found.source
    for file in found.files:
        yield (file.status.st_dev, file.status.st_ino), file.name


def _take(found: Found, copy: Path, options: ArithmeticOptions) -> _Taken:
    if found.source in BUILT_IN_SOURCES:
        return _take_built_in(found.source, copy, options)
    if found.source == STDIN:
        copy_stdin(copy)
        return _Taken((_input("stdin", copy),), "stdin")
    kept = [file for file in found.files if not (found.is_directory and _is_binary(file))]
    n_skipped = len(found.files) - len(kept)
    if not kept:
        more = f" but {n_skipped:,} binary files" if n_skipped else ""
        raise UsageError(
            f"{found.source} has no text in it{more}: name a file or another directory"
        )
    if kept[0].is_pipe:
        copy_pipe(kept[0].path, copy)
        return _Taken((_input(found.source, copy),), found.source)
    title = found.source
    if found.is_directory or found.is_glob:
        title += f" ({len(kept):,} {'file' if len(kept) == 1 else 'files'})"
    return _Taken(tuple(_input(file.name, file.path) for file in kept), title, n_skipped)


def _take_built_in(name: str, copy: Path, options: ArithmeticOptions) -> _Taken:
    source = BUILT_IN_SOURCES[name]
    descriptions: list[str] = []
    write_copy(copy, lambda file: descriptions.append(source.write(file, options)))
    (description,) = descriptions
    taken = _input(name, copy, name + source.suffix)
    return _Taken((taken,), f"{name} ({description})" if description else name)


def _input(name: str, path: Path, file_name: str | None = None) -> TextInput:
    """The input at ``path``; its layout and compression follow from the end of its name."""
    layout, compression = _form(name if file_name is None else file_name)
    try:
        status = path.stat()
    except OSError as error:
        raise ResourceError(f"cannot read {name}: {error.strerror or error}") from error
    return TextInput(name, path.absolute(), layout, compression, status.st_size, status.st_mtime_ns)


def _form(name: str) -> tuple[DocumentLayout, Compression]:
    path = Path(name.lower())
    compression = _COMPRESSIONS.get(path.suffix, Compression.NONE)
    if compression is not Compression.NONE:
        path = path.with_suffix("")
    return _LAYOUTS.get(path.suffix, DocumentLayout.TEXT), compression


def _is_packed(name: str) -> bool:
    path = Path(name.lower())
    unpacked = path.with_suffix("") if path.suffix in _COMPRESSIONS else path
    return unpacked.suffix in _PACKED


def _is_binary(file: FoundFile) -> bool:
    if _is_packed(file.name):
        return True
    if _form(file.name) != (DocumentLayout.TEXT, Compression.NONE):
        return False
    try:
        with file.path.open("rb") as opened:
            return b"\0" in opened.read(_BINARY_WITHIN)
    except OSError as error:
        raise ResourceError(f"cannot read {file.name}: {error.strerror or error}") from error
