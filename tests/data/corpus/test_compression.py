import gzip
import sys

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gptcli.data.corpus.compression import Compression, estimated_size, open_bytes
from gptcli.errors import DataError, ResourceError, UsageError

quick = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def zstd(content: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=1).compress(content)


WAYS = {Compression.GZIP: gzip.compress, Compression.ZSTD: zstd}
ways = pytest.mark.parametrize("way", list(WAYS))


def read(path, way, size=-1):
    with open_bytes(path, "the input", way) as file:
        pieces = [file.read(size)]
        while size > 0 and pieces[-1]:
            pieces.append(file.read(size))
    return b"".join(pieces)


@ways
@quick
@given(st.lists(st.binary(max_size=200), min_size=1, max_size=4), st.integers(1, 300))
def test_content_comes_back_from_all_members(tmp_path, way, contents, size):
    path = tmp_path / "packed"
    path.write_bytes(b"".join(map(WAYS[way], contents)))
    assert read(path, way, size) == b"".join(contents)


@ways
def test_large_content_comes_back(tmp_path, way):
    content = bytes(range(256)) * 4000 + b"a" * 3_000_000
    path = tmp_path / "packed"
    path.write_bytes(WAYS[way](content) + WAYS[way](b"end"))
    assert read(path, way, 2**20) == content + b"end"


def test_skippable_frames_of_zstd_are_skipped(tmp_path):
    path = tmp_path / "packed"
    skippable = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"notes"
    path.write_bytes(skippable + zstd(b"a") + skippable + zstd(b"b"))
    assert read(path, Compression.ZSTD) == b"ab"


@ways
def test_input_cut_off_anywhere_is_refused(tmp_path, way):
    whole = WAYS[way](b"a text to pack, " * 20)
    path = tmp_path / "packed"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"input (ends in the middle of|is damaged: no)"):
            read(path, way)


@ways
def test_offset_says_how_much_was_sound(tmp_path, way):
    path = tmp_path / "packed"
    path.write_bytes(WAYS[way](b"sound") + WAYS[way](b"cut off")[:5])
    with pytest.raises(DataError, match="after 5 decompressed bytes: copy or download it again"):
        read(path, way, 5)


@ways
def test_flipped_byte_is_refused_or_harmless(tmp_path, way):
    content = b"a text to pack, " * 20
    whole = WAYS[way](content)
    path = tmp_path / "packed"
    refused = 0
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 0x55
        path.write_bytes(damaged)
        try:
            if way is Compression.GZIP:  # zstd has a checksum only where it was asked for
                assert read(path, way) == content
            else:
                read(path, way)
        except DataError:
            refused += 1
    assert refused > 10


@ways
def test_what_is_not_compressed_is_refused(tmp_path, way):
    path = tmp_path / "packed"
    path.write_bytes(b"plain text")
    with pytest.raises(DataError, match=f"damaged: no {way} data after 0 decompressed"):
        read(path, way)


def test_missing_zstandard_names_the_extra(tmp_path, monkeypatch):
    path = tmp_path / "packed"
    path.write_bytes(zstd(b"a"))
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(UsageError, match=r"pip install 'gptcli\[sources\]'"):
        read(path, Compression.ZSTD)


@pytest.mark.parametrize("way", list(Compression))
def test_unreadable_input_is_the_systems_refusal(tmp_path, way):
    with pytest.raises(ResourceError, match="cannot read the input: No such file"):
        read(tmp_path / "missing", way)
    with pytest.raises(ResourceError, match="cannot read the input: Is a directory"):
        read(tmp_path, way)


def test_only_plain_bytes_can_be_sought(tmp_path):
    path = tmp_path / "plain"
    path.write_bytes(b"0123456789")
    with open_bytes(path, "plain", Compression.NONE) as file:
        assert file.seek(7) == 7
        assert file.read() == b"789"
    path.write_bytes(gzip.compress(b"a"))
    with open_bytes(path, "packed", Compression.GZIP) as file:
        assert not file.seekable()


@ways
def test_estimate_is_exact_when_small_and_near_when_large(tmp_path, way):
    path = tmp_path / "packed"
    path.write_bytes(WAYS[way](b"small"))
    assert estimated_size(path, "packed", way, path.stat().st_size) == 5
    content = b"".join(b"%d plus %d\n" % (n * 7919 % 99991, n * n % 7907) for n in range(200_000))
    path.write_bytes(WAYS[way](content))
    estimate = estimated_size(path, "packed", way, path.stat().st_size)
    assert 0.8 < estimate / len(content) < 1.25
