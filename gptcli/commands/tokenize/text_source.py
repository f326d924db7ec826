"""The text to tokenize: an argument, or files, directories, globs and stdin of any size."""

import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from gptcli.commands.view.terminal import note
from gptcli.config.data import ReadOptions
from gptcli.data.chat.encoding import plain_texts
from gptcli.data.corpus.chunks import Chunk, Document, Reader
from gptcli.data.corpus.finding import find_corpus
from gptcli.data.corpus.inputs import Corpus, DocumentLayout
from gptcli.data.corpus.reading import SAMPLE_BYTES, open_readers, sample_texts
from gptcli.data.corpus.recognition import look_into
from gptcli.data.source_text import STDIN
from gptcli.errors import DataError, UsageError
from gptcli.runtime.progress import Unwatched
from gptcli.tokenization.splits import Cuts


@dataclass(frozen=True)
class TextChunk:
    """A chunk of the text.

    Attributes:
        n_bytes: its size in the input.
        read: returns its texts; any thread may call it.
        place: where a character is, for messages; takes the number of the text and the offset.

    """

    n_bytes: int
    read: Callable[[], list[str]]
    place: Callable[[int, int], str]


@dataclass(frozen=True)
class TrainingSample:
    """Texts to train a tokenizer on: every ``every``-th chunk, ``n_bytes`` of ``n_total``.

    ``n_total`` is None where it is unknown.
    """

    texts: Callable[[], Iterator[str]]
    n_bytes: int
    n_total: int | None
    every: int


class TextSource(Protocol):
    """A text that can be read more than once, in chunks, and is not blank."""

    @property
    def name(self) -> str:
        """The name of the text, for messages."""
        ...

    @property
    def is_argument(self) -> bool:
        """Whether it was given on the command line, so that it is short."""
        ...

    def n_bytes(self) -> int:
        """Its size in UTF-8, possibly an estimate."""
        ...

    def chunks(self, cuts: Cuts = Cuts.ANYWHERE) -> Iterator[TextChunk]:
        """All chunks in order, cut where ``cuts`` allows; by default anywhere."""
        ...

    def training_sample(self, is_whole: bool) -> TrainingSample:
        """The texts to train on: all, or an even sample of a large text."""
        ...


@contextlib.contextmanager
def open_source(
    text: str | None, files: Sequence[str], options: ReadOptions
) -> Iterator[TextSource]:
    """The text of the command line, of ``files``, or of stdin where neither is given.

    DataError where it is empty or blank.
    """
    if text is not None and text != STDIN and not files:
        if options.field is not None:
            raise UsageError(f"--field {options.field} is for --file: give both, or leave it out")
        yield _checked(ArgumentText(text))
        return
    with tempfile.TemporaryDirectory(prefix="gptcli-") as spool:
        sources = files or [STDIN]
        found = find_corpus(sources, Path(spool))
        # Without --field a stream of JSON is a text like any other: its ids decode to it.
        corpus = look_into(
            found, sources, options, Path(spool), _Notes(), in_streams=options.field is not None
        )
        if corpus.n_skipped:
            note(f"binary files left out: {corpus.n_skipped:,}")
        yield _checked(CorpusText(corpus, options))


class _Notes(Unwatched):
    def note(self, message: str) -> None:
        """Print a note on stderr."""
        note(message)


@dataclass(frozen=True)
class ArgumentText:
    """A text of the command line."""

    text: str
    name: str = "TEXT"
    is_argument: bool = True

    def n_bytes(self) -> int:
        """Its size in UTF-8."""
        return len(self.text.encode())

    def chunks(self, cuts: Cuts = Cuts.ANYWHERE) -> Iterator[TextChunk]:
        """The text, in one piece."""
        yield TextChunk(self.n_bytes(), lambda: [self.text], lambda _, offset: f"offset {offset:,}")

    def training_sample(self, is_whole: bool) -> TrainingSample:
        """The text."""
        return TrainingSample(lambda: iter([self.text]), self.n_bytes(), self.n_bytes(), 1)


@dataclass(frozen=True)
class CorpusText:
    """The texts of a corpus, which may be those of its records."""

    corpus: Corpus
    options: ReadOptions
    is_argument: bool = False

    @property
    def name(self) -> str:
        """The name of the corpus, for messages."""
        return self.corpus.title

    def n_bytes(self) -> int:
        """Exact for plain texts, else an estimate."""
        return sum(reader.expected_bytes() for reader in self._readers(Cuts.ANYWHERE))

    def chunks(self, cuts: Cuts = Cuts.ANYWHERE) -> Iterator[TextChunk]:
        """Chunk by chunk, input by input."""
        for reader in self._readers(cuts):
            for chunk in reader.chunks():
                read = partial(_texts, reader, chunk)
                yield TextChunk(chunk.n_bytes, read, partial(_place, reader, chunk))

    def training_sample(self, is_whole: bool) -> TrainingSample:
        """All of its chunks, or every n-th."""
        limit = sys.maxsize if is_whole else SAMPLE_BYTES
        sample = sample_texts(self._readers(Cuts.WORDS), limit)
        texts = sample.texts if sample.every > 1 else self._documents
        return TrainingSample(texts, sample.n_bytes, sample.n_total, sample.every)

    def _documents(self) -> Iterator[str]:
        """All documents; DataError for a bad record, which a sample would skip."""
        for reader in self._readers(Cuts.WORDS):
            for chunk in reader.chunks():
                for document in _documents(reader, chunk):
                    yield from plain_texts(document.parts)

    def _readers(self, cuts: Cuts) -> list[Reader]:
        return open_readers(self.corpus.inputs, self.options, cuts)


def _checked(source: TextSource) -> TextSource:
    """DataError for a text that is empty or blank."""
    is_empty = True
    for chunk in source.chunks():
        for text in chunk.read():
            if text and not text.isspace():
                return source
            is_empty = is_empty and not text
    what = "is empty" if is_empty else "holds only white space"
    raise DataError(f"{source.name} {what}: give some text")


def _documents(reader: Reader, chunk: Chunk) -> tuple[Document, ...]:
    parsed = reader.parse(chunk)
    if parsed.problems:
        problem = parsed.problems[0]
        raise DataError(f"{reader.source.name}, {reader.place(problem.offset)}: {problem.reason}")
    return parsed.documents


def _texts(reader: Reader, chunk: Chunk) -> list[str]:
    return [text for document in _documents(reader, chunk) for text in document.texts]


def _place(reader: Reader, chunk: Chunk, number: int, offset: int) -> str:
    documents = _documents(reader, chunk)
    owners = [(document, text) for document in documents for text in document.texts]
    document, text = owners[number]
    if reader.source.layout is not DocumentLayout.TEXT:
        return reader.place(document.offset)
    return reader.place(document.offset + len(text[:offset].encode()))
