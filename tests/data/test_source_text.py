import os
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from gptcli.data.source_text import SourceText, decode_text, read_text
from gptcli.errors import DataError, ResourceError, UsageError


def read(file: Path) -> SourceText:
    return read_text(file, 1000, "cut it")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=["Cs"])).filter(lambda t: t and not t.isspace()))
@example("0000000\0" + 4 * "\x80")  # as UTF-16 it would be four signs of Chinese, and one of ASCII
def test_text_is_the_file_byte_for_byte(tmp_path, text):
    assume(text.count("\0") < 4)  # more zero bytes may be those of UTF-16
    file = tmp_path / "input.txt"
    file.write_bytes(text.encode())
    source = read(file)
    assert source.text == text


@pytest.mark.parametrize("content", [b"a\r\nb\r", b"\xef\xbb\xbfa", b"\0a", b"e\xcc\x81"])
def test_line_ends_marks_and_nul_are_kept(content):
    assert decode_text(content, "x").text.encode() == content


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"good\nbad \xff", r"byte 0xff at offset 9 \(line 2\).*iconv"),
        (b"\xff\xfea\0", "offset 0.*UTF-16"),
        (b"\x7fELF\0\0\x80", "binary file"),
        (b"cut \xe2\x82", "offset 4"),
        (b"", "is empty"),
        (b" \r\n\t", "only white space"),
    ],
)
def test_what_is_no_text_is_refused_with_place_and_hint(content, says):
    with pytest.raises(DataError, match=f"^x .*{says}"):
        decode_text(content, "x").checked()


def test_missing_file_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="not found"):
        read(tmp_path / "none.txt")


def test_directory_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="is a directory"):
        read(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
def test_endless_device_is_refused():
    from pathlib import Path

    with pytest.raises(UsageError, match="is a device"):
        read(Path("/dev/zero"))


@pytest.mark.skipif(
    os.name == "nt" or os.geteuid() == 0, reason="permissions do not bind this user"
)
def test_unreadable_file_is_a_resource_error(tmp_path):
    file = tmp_path / "secret.txt"
    file.write_text("x")
    file.chmod(0)
    with pytest.raises(ResourceError, match="cannot read"):
        read(file)


def test_refused_permission_is_a_resource_error(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(ResourceError, match=r"cannot read .*Permission denied"):
        read(tmp_path / "x")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_named_pipe_is_read_to_its_end(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writer = threading.Thread(target=fifo.write_bytes, args=(b"through a pipe",))
    writer.start()
    assert read(fifo).text == "through a pipe"
    writer.join()


def test_file_that_grows_while_it_is_read_is_refused(tmp_path, monkeypatch):
    file = tmp_path / "log.txt"
    file.write_text("line\n")
    fstat = os.fstat

    def fstat_then_append(descriptor):
        state = fstat(descriptor)
        with file.open("a") as log:
            log.write("line\n")
        return state

    monkeypatch.setattr("gptcli.data.source_text.os.fstat", fstat_then_append)
    with pytest.raises(DataError, match="changed while it was read"):
        read(file)


def test_a_text_that_is_too_long_is_refused_with_the_way_out(tmp_path):
    file = tmp_path / "long.txt"
    file.write_text("a" * 1000)
    assert len(read(file).text) == 1000
    file.write_text("a" * 1001)
    with pytest.raises(DataError, match="more than 1,000 bytes, too many to take at once: cut it"):
        read(file)
