"""Damaged files of texts, and what must hold of each that is read."""

import gzip
import io
import json
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType

import pyarrow
import pyarrow.parquet
import zstandard
from hypothesis.strategies import SearchStrategy

from gptcli.config.data import ReadOptions
from gptcli.data.corpus.compression import Compression, open_bytes
from gptcli.data.corpus.finding import find_corpus
from gptcli.data.corpus.reading import open_reader
from gptcli.tokenization.splits import Cuts
from tests.faults.fuzzing import Target
from tests.faults.mutations import damaged_bytes

_TEXTS = [f"the {n} cats ate {n * n} rats; caf\u00e9 \U0001f600\n" for n in range(20)]
_LINES = "".join(json.dumps({"text": text}) + "\n" for text in _TEXTS).encode()


def _documents(path: Path) -> list[str]:
    """The texts of a file; records that cannot be read are left out, as by --skip-bad."""
    (source,) = find_corpus([str(path)], path.parent).inputs
    reader = open_reader(source, ReadOptions(), Cuts.NOWHERE)
    parsed = [reader.parse(chunk) for chunk in reader.chunks()]
    documents = [document for one in parsed for document in one.documents]
    return ["".join(part.text for part in document.parts) for document in documents]


def _lines() -> SearchStrategy[bytes]:
    return damaged_bytes(_LINES)


def _read_lines(path: Path) -> None:
    """The texts must be those of the lines in which Python finds a record with one."""
    expected = []
    for line in path.read_bytes().split(b"\n"):
        try:
            text = json.loads(line).get("text")
            str(text).encode()  # half a character is no text
        except (ValueError, AttributeError, RecursionError):
            continue
        if isinstance(text, str):
            expected.append(text)
    found = _documents(path)
    assert [text for text in found if text not in expected] == []
    assert len(found) == len(expected)


@cache
def _rows() -> bytes:
    written = io.BytesIO()
    table = pyarrow.table({"id": range(len(_TEXTS)), "text": _TEXTS})
    pyarrow.parquet.write_table(table, written, row_group_size=8, compression="none")
    return written.getvalue()


def _parquets() -> SearchStrategy[bytes]:
    return damaged_bytes(_rows())


def _read_rows(path: Path) -> None:
    """The texts must be those that pyarrow reads at once."""
    found = _documents(path)
    column = pyarrow.parquet.read_table(path, columns=["text"]).column(0)
    assert found == [text for text in column.to_pylist() if text is not None]


def _packed(pack: Callable[[bytes], bytes]) -> SearchStrategy[bytes]:
    return damaged_bytes(pack("".join(_TEXTS).encode()))


def _read_packed(compression: Compression, unpack: Callable[[bytes], bytes], path: Path) -> None:
    """What ours gives must be what another unpacks, which fails where the file is damaged."""
    with open_bytes(path, path.name, compression) as file:
        content = file.read()
    assert content == unpack(path.read_bytes())


def _zstd(content: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(content)


def _unzstd(content: bytes) -> bytes:
    with zstandard.ZstdDecompressor().stream_reader(content, read_across_frames=True) as file:
        return file.read()


def _gzip(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


_READ_GZIP = partial(_read_packed, Compression.GZIP, gzip.decompress)
_READ_ZSTD = partial(_read_packed, Compression.ZSTD, _unzstd)
TEXT_FILES: Mapping[str, Target] = MappingProxyType(
    {
        "JSONL": Target("texts.jsonl", _lines, _read_lines),
        "Parquet": Target("texts.parquet", _parquets, _read_rows),
        "gzip": Target("texts.txt.gz", partial(_packed, _gzip), _READ_GZIP),
        "zstd": Target("texts.txt.zst", partial(_packed, _zstd), _READ_ZSTD),
    }
)
