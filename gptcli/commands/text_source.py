"""The text to tokenize: an argument, or files, directories, globs and stdin of any size."""

import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from gptcli.commands.view.terminal import note
from gptcli.errors import DataError, UsageError

if TYPE_CHECKING:
    from gptcli.data.corpus.inputs import Corpus
    from gptcli.data.corpus.reading import Chunk, Document, Reader, ReadOptions
    from gptcli.data.corpus.utf8 import Errors
    from gptcli.tokenization.cuts import Cuts

_STDIN = "-"


@dataclass(frozen=True)
class Passage:
    """A chunk of the text.

    Attributes:
        n_bytes: its size as it lies in the input.
        read: gives its texts; any thread may call it.
        place: where a character is, from the number of the text and its offset in that.

    """

    n_bytes: int
    read: Callable[[], list[str]]
    place: Callable[[int, int], str]


@dataclass(frozen=True)
class TrainingSample:
    """Texts to learn a vocabulary from: ``n_bytes`` of ``n_total`` (None: nobody knows)."""

    texts: Callable[[], Iterator[str]]
    n_bytes: int
    n_total: int | None
    every: int


class Source(Protocol):
    """A text that can be read more than once, in chunks, and is not blank."""

    @property
    def name(self) -> str:
        """What the user calls it."""
        ...

    @property
    def is_argument(self) -> bool:
        """Whether it stood on the command line, which bounds it."""
        ...

    def n_bytes(self) -> int:
        """How large it is, or is expected to be, in UTF-8."""
        ...

    def passages(self, cuts: "Cuts | None" = None) -> Iterator[Passage]:
        """All of it in order, cut where ``cuts`` allows; by default anywhere."""
        ...

    def training_sample(self, is_whole: bool) -> TrainingSample:
        """What to learn from: all of it, or an even part where it is large."""
        ...


@contextlib.contextmanager
def open_source(
    words: Sequence[str], files: Sequence[str], field: str | None = None, errors: str = "strict"
) -> Iterator[Source]:
    """The text of ``words`` (one argument), of ``files``, or of stdin where neither is given.

    A shell turns ``--file *.txt`` into one file and more words: those are files too.
    """
    sources = named_files(words, files)
    if not sources and words and words[0] != _STDIN:
        yield _checked(Argument(_argument(words)))
        return
    if not sources and not words and sys.stdin.isatty():
        raise UsageError('nothing to tokenize: try `gptcli tokenize "hii there"` or --file FILE')
    from gptcli.data.corpus.inputs import find_corpus
    from gptcli.data.corpus.reading import ReadOptions

    with tempfile.TemporaryDirectory(prefix="gptcli-") as spool:
        corpus = find_corpus(sources or [_STDIN], Path(spool))
        if corpus.n_skipped:
            note(f"binary files left out: {corpus.n_skipped:,}")
        yield _checked(Files(corpus, ReadOptions(cast("Errors", errors), field)))


def named_files(words: Sequence[str], files: Sequence[str]) -> list[str]:
    """The files that are meant; UsageError where a text stands beside --file."""
    if files and (texts := [word for word in words if not is_there(word)]):
        raise UsageError(f"TEXT ({texts[0][:40]!r}) and --file exclude each other: give one")
    return [*files, *words] if files else []


def is_there(name: str) -> bool:
    """Whether a path leads to anything; a text too long for a name does not."""
    try:
        return Path(name).exists()
    except (OSError, ValueError):
        return False


@dataclass(frozen=True)
class Argument:
    """A text of the command line."""

    text: str
    name: str = "TEXT"
    is_argument: bool = True

    def n_bytes(self) -> int:
        """Its size in UTF-8."""
        return len(self.text.encode())

    def passages(self, cuts: "Cuts | None" = None) -> Iterator[Passage]:
        """The text, in one piece."""
        yield Passage(self.n_bytes(), lambda: [self.text], lambda _, offset: f"offset {offset:,}")

    def training_sample(self, is_whole: bool) -> TrainingSample:
        """The text."""
        return TrainingSample(lambda: iter([self.text]), self.n_bytes(), self.n_bytes(), 1)


@dataclass(frozen=True)
class Files:
    """A corpus; of records, their texts."""

    corpus: "Corpus"
    options: "ReadOptions"
    is_argument: bool = False

    @property
    def name(self) -> str:
        """How the corpus is called."""
        return self.corpus.title

    def n_bytes(self) -> int:
        """Exact for plain texts, else an estimate."""
        return sum(reader.expected_bytes() for reader in self._readers(None))

    def passages(self, cuts: "Cuts | None" = None) -> Iterator[Passage]:
        """Chunk by chunk, input by input."""
        for reader in self._readers(cuts):
            for chunk in reader.chunks():
                read = partial(_texts, reader, chunk)
                yield Passage(chunk.n_bytes, read, partial(_place, reader, chunk))

    def training_sample(self, is_whole: bool) -> TrainingSample:
        """All of its chunks, or every n-th."""
        from gptcli.data.corpus.text_sample import SAMPLE_BYTES, sample_texts
        from gptcli.tokenization.cuts import Cuts

        limit = sys.maxsize if is_whole else SAMPLE_BYTES
        sample = sample_texts(self._readers(Cuts.WORDS), limit)
        texts = sample.texts if sample.every > 1 else self._documents
        return TrainingSample(texts, sample.n_bytes, sample.n_total, sample.every)

    def _documents(self) -> Iterator[str]:
        """What a sample of everything gives, but with an error for a bad record."""
        from gptcli.tokenization.cuts import Cuts

        for reader in self._readers(Cuts.WORDS):
            for chunk in reader.chunks():
                for document in _documents(reader, chunk):
                    yield "".join(part.text for part in document.parts)

    def _readers(self, cuts: "Cuts | None") -> "list[Reader]":
        from gptcli.data.corpus.readers import open_reader
        from gptcli.tokenization.cuts import Cuts

        return [open_reader(one, self.options, cuts or Cuts.ANYWHERE) for one in self.corpus.inputs]


def _argument(words: Sequence[str]) -> str:
    """UsageError for several words, and for bytes on the command line that are not UTF-8."""
    if len(words) > 1:
        raise UsageError(
            f'TEXT is one argument, {len(words)} were given: quote it, as in "hii there"'
        )
    try:
        words[0].encode("utf-8")
    except UnicodeEncodeError as error:
        raise UsageError(
            f"TEXT is not valid UTF-8 at character {error.start}: give it as a --file"
        ) from None
    return words[0]


def _checked(source: Source) -> Source:
    """DataError for a text that is empty or blank."""
    is_empty = True
    for passage in source.passages():
        for text in passage.read():
            if text and not text.isspace():
                return source
            is_empty = is_empty and not text
    what = "is empty" if is_empty else "holds only white space"
    raise DataError(f"{source.name} {what}: give some text")


def _documents(reader: "Reader", chunk: "Chunk") -> "tuple[Document, ...]":
    parsed = reader.parse(chunk)
    if parsed.problems:
        problem = parsed.problems[0]
        raise DataError(f"{reader.source.name}, {reader.place(problem.offset)}: {problem.reason}")
    return parsed.documents


def _texts(reader: "Reader", chunk: "Chunk") -> list[str]:
    return [part.text for document in _documents(reader, chunk) for part in document.parts]


def _place(reader: "Reader", chunk: "Chunk", number: int, offset: int) -> str:
    from gptcli.data.corpus.inputs import DocumentLayout

    documents = _documents(reader, chunk)
    owners = [(document, part) for document in documents for part in document.parts]
    document, part = owners[number]
    if reader.source.layout is not DocumentLayout.TEXT:
        return reader.place(document.offset)
    return reader.place(document.offset + len(part.text[:offset].encode()))
