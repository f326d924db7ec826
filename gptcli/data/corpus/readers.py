"""Opening inputs with the reader for their layout."""

from collections.abc import Sequence

from gptcli.data.corpus.compression import Compression, check_zstandard
from gptcli.data.corpus.inputs import DocumentLayout, TextInput
from gptcli.data.corpus.jsonl_reader import JsonlReader
from gptcli.data.corpus.parquet_file import check_pyarrow
from gptcli.data.corpus.parquet_reader import ParquetReader
from gptcli.data.corpus.reading import Reader, ReadOptions
from gptcli.data.corpus.text_reader import open_text
from gptcli.tokenization.cuts import Cuts


def open_readers(inputs: Sequence[TextInput], options: ReadOptions, cuts: Cuts) -> list[Reader]:
    """A reader for each input; see ``open_reader``."""
    return [open_reader(source, options, cuts) for source in inputs]


def open_reader(source: TextInput, options: ReadOptions, cuts: Cuts) -> Reader:
    """Open an input; texts are cut into chunks where ``cuts`` allows.

    Raises UsageError where an optional package to read it is missing.
    """
    if source.compression is Compression.ZSTD:
        check_zstandard(source.name)
    match source.layout:
        case DocumentLayout.TEXT:
            return open_text(source, options, cuts)
        case DocumentLayout.JSONL:
            return JsonlReader(source, options)
        case DocumentLayout.PARQUET:
            check_pyarrow(source.name)
            return ParquetReader(source, options)
