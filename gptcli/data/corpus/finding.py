"""From the sources that a user names to the inputs to read.

What can be read only once, stdin and pipes, is copied, and so are the built-in sources.
"""

import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from gptcli.config.checks import counted
from gptcli.config.data import ArithmeticOptions
from gptcli.data.corpus.compression import Compression
from gptcli.data.corpus.hub_source import find_on_hub, hub_name, is_on_hub
from gptcli.data.corpus.inputs import (
    Corpus,
    DocumentLayout,
    TextInput,
    form_of,
    input_at,
    is_packed,
    without_compression,
)
from gptcli.data.corpus.source_files import Found, FoundFile, find_files, is_glob
from gptcli.data.corpus.sources import BUILT_IN_SOURCES
from gptcli.data.source_text import STDIN
from gptcli.errors import ResourceError, UsageError
from gptcli.runtime.files import reported

_BINARY_WITHIN = 2**13
_BLOCK = 2**20


def find_corpus(
    sources: Sequence[str], spool: Path, arithmetic: ArithmeticOptions | None = None
) -> Corpus:
    """Find the inputs that ``sources`` name, in their order.

    A source is the name of a built-in one (which wins over a file of that name: ``./python`` is
    the file), ``-`` for stdin, a FIFO, a file, a directory (with all below it, in the order of
    the paths; without hidden entries, symlinked directories and files with a NUL in their first
    8 KiB), a glob, or a dataset of the hub (``hf:owner/name``). Built-ins, stdin and FIFOs are
    copied into the directory ``spool``, which must stay as long as the corpus is used.
    ``arithmetic`` shapes the built-ins "addition" and "calculator".

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
    if is_on_hub(source):
        return hub_name(source)
    path = Path(source)
    if is_glob(source):
        parts = itertools.takewhile(lambda part: not is_glob(part), path.parts)
        return _name_of(Path(*parts))
    if _is_directory(path):
        return _name_of(path)
    return without_compression(path).stem.lstrip(".") or "text"


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
    if is_on_hub(source):
        return find_on_hub(source)
    found = find_files(source, BUILT_IN_SOURCES)
    for file in found.files:
        if not found.is_directory and is_packed(file.name):
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
        _copy_stdin(copy)
        return _Taken((input_at("stdin", copy),), "stdin")
    kept = [file for file in found.files if not (found.is_directory and _is_binary(file))]
    n_skipped = len(found.files) - len(kept)
    if not kept:
        more = f" but {counted(n_skipped, 'binary file')}" if n_skipped else ""
        raise UsageError(
            f"{found.source} has no text in it{more}: name a file or another directory"
        )
    if kept[0].is_pipe:
        _copy_pipe(kept[0].path, copy)
        return _Taken((input_at(found.source, copy),), found.source)
    title = found.source
    if found.is_directory or found.is_glob:
        title += f" ({counted(len(kept), 'file')})"
    return _Taken(tuple(input_at(file.name, file.path) for file in kept), title, n_skipped)


def _take_built_in(name: str, copy: Path, options: ArithmeticOptions) -> _Taken:
    source = BUILT_IN_SOURCES[name]
    descriptions: list[str] = []
    write_copy(copy, lambda file: descriptions.append(source.write(file, options)))
    (description,) = descriptions
    taken = input_at(name, copy, name + source.suffix)
    return _Taken((taken,), f"{name} ({description})" if description else name)


def _is_binary(file: FoundFile) -> bool:
    if is_packed(file.name):
        return True
    if form_of(file.name) != (DocumentLayout.TEXT, Compression.NONE):
        return False
    try:
        with file.path.open("rb") as opened:
            return b"\0" in opened.read(_BINARY_WITHIN)
    except OSError as error:
        raise ResourceError(f"cannot read {file.name}: {error.strerror or error}") from error


def _copy_stdin(target: Path) -> None:
    """Copy stdin; UsageError where it is closed."""
    if sys.stdin is None:
        raise UsageError("stdin is closed: name a file instead of -")
    _copy(sys.stdin.buffer, "stdin", target)


def _copy_pipe(path: Path, target: Path) -> None:
    """Copy a FIFO, until all writers have closed it."""
    try:
        source = path.open("rb")
    except OSError as error:
        raise ResourceError(f"cannot read {path}: {error.strerror or error}") from error
    with source:
        _copy(source, str(path), target)


def write_copy(target: Path, write: Callable[[BinaryIO], None]) -> None:
    """Let ``write`` fill the new file ``target``; ResourceError where the disk refuses."""
    with reported(target), target.open("xb") as file:
        write(file)


def _copy(source: BinaryIO, name: str, target: Path) -> None:
    """Copy the rest of ``source`` into the new file ``target``, block by block.

    Raises ResourceError where reading ``name`` or writing is refused.
    """

    def copy(file: BinaryIO) -> None:
        while content := _read(source, name):
            file.write(content)

    write_copy(target, copy)


def _read(source: BinaryIO, name: str) -> bytes:
    try:
        return source.read(_BLOCK)
    except OSError as error:
        raise ResourceError(f"cannot read {name}: {error.strerror or error}") from error
