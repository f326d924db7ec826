"""Reading a corpus: a reader for each input, and an even sample to train a tokenizer on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gptcli.config.data import ReadOptions
from gptcli.data.chat.contents import ANY_SHAPE, RecordShape
from gptcli.data.chat.encoding import plain_texts
from gptcli.data.corpus.chunks import Chunk, Reader
from gptcli.data.corpus.compression import Compression, check_zstandard
from gptcli.data.corpus.inputs import DocumentLayout, TextInput
from gptcli.data.corpus.jsonl_reader import JsonlReader
from gptcli.data.corpus.parquet_file import check_pyarrow
from gptcli.data.corpus.parquet_reader import ParquetReader
from gptcli.data.corpus.text_reader import open_text
from gptcli.tokenization.splits import Cuts

SAMPLE_BYTES = 2**28


def open_readers(
    inputs: Sequence[TextInput],
    options: ReadOptions,
    cuts: Cuts,
    shape: RecordShape = ANY_SHAPE,
) -> list[Reader]:
    """A reader for each input; see ``open_reader``."""
    return [open_reader(source, options, cuts, shape) for source in inputs]


def open_reader(
    source: TextInput, options: ReadOptions, cuts: Cuts, shape: RecordShape = ANY_SHAPE
) -> Reader:
    """Open an input; texts are cut into chunks where ``cuts`` allows.

    Records become documents as ``shape`` says, by default of any kind.

    Raises UsageError where an optional package to read it is missing.
    """
    if source.compression is Compression.ZSTD:
        check_zstandard(source.name)
    match source.layout:
        case DocumentLayout.TEXT:
            return open_text(source, options, cuts)
        case DocumentLayout.JSONL | DocumentLayout.JSON:
            return JsonlReader(source, options, shape=shape)
        case DocumentLayout.PARQUET:
            check_pyarrow(source.name)
            return ParquetReader(source, options, shape=shape)


@dataclass(frozen=True)
class TextSample:
    """Every ``every``-th chunk of a corpus, the same ones each time.

    Attributes:
        readers: of the inputs.
        n_bytes: about how many bytes the chunks have together.
        n_total: the bytes of the corpus; None where they are unknown (compressed, Parquet).
        every: 1 is all of the corpus.
        limit: texts end after this many bytes.

    """

    readers: tuple[Reader, ...]
    n_bytes: int
    n_total: int | None
    every: int
    limit: int

    def texts(self) -> Iterator[str]:
        """The texts of chunks or, in records, of documents; each call reads them again.

        Bad records are skipped: they are reported when all of the corpus is read.
        """
        left = self.limit
        for reader, chunk in self._chunks():
            left -= chunk.n_bytes
            if left < 0:
                return
            for document in reader.parse(chunk).documents:
                yield from plain_texts(document.parts)

    def _chunks(self) -> Iterator[tuple[Reader, Chunk]]:
        passed = 0  # chunks of the inputs before, so that small files are thinned too
        for reader in self.readers:
            first = -passed % self.every
            count = 1 if self.every == 1 else reader.expected_chunks()
            if first < count:
                for chunk in reader.thinned(first, self.every):
                    yield reader, chunk
            passed += count


def sample_texts(readers: Sequence[Reader], limit: int = SAMPLE_BYTES) -> TextSample:
    """A sample of at most ``limit`` bytes, which depends on the inputs and the limit alone."""
    expected = sum(reader.expected_bytes() for reader in readers)
    every = max(1, -(-expected // limit))
    return TextSample(
        readers=tuple(readers),
        n_bytes=min(expected // every, limit),
        n_total=expected if all(map(_is_plain, readers)) else None,
        every=every,
        limit=limit,
    )


def _is_plain(reader: Reader) -> bool:
    source = reader.source
    return source.compression is Compression.NONE and source.layout is not DocumentLayout.PARQUET
