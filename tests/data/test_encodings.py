"""Files that are not the UTF-8 text that they should be, told by their first bytes."""

import gzip

import pytest

from gptcli.data.encodings import START_BYTES, not_utf8, refuse_other_than_text
from gptcli.errors import DataError

ENGLISH = "The harbour was quiet that morning.\r\n" * 300
GERMAN = "Überall hörte man die Möwen über den Dächern.\n" * 300
RUSSIAN = "Был тихий день, и чайки спали.\n" * 300
CHINESE = "港口很安静。\n2024 年的早晨\n" * 300
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 548105171\n"


@pytest.mark.parametrize("encoding", ["UTF-16LE", "UTF-16BE", "UTF-32LE", "UTF-32BE"])
@pytest.mark.parametrize("text", [ENGLISH, GERMAN, RUSSIAN, CHINESE, "To be or not"])
def test_wide_encodings_without_a_mark_are_named(text, encoding):
    for cut in (0, 1, 2, 3):
        start = text.encode(encoding)[: START_BYTES - cut]
        with pytest.raises(DataError, match=rf"^a.txt looks like .*`iconv -f {encoding} -t UTF-8"):
            refuse_other_than_text("a.txt", start)


@pytest.mark.parametrize("encoding", ["UTF-16", "UTF-32"])
def test_a_mark_names_the_encoding(encoding):
    with pytest.raises(DataError, match=rf"byte 0xff at offset 0 .*`iconv -f {encoding} -t UTF-8"):
        refuse_other_than_text("a.txt", ENGLISH.encode(encoding))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0a",
        b"notes.txt\0a.txt\0book.txt\0" * 40,  # a list with zero bytes between its entries
        bytes(4000),
        b"\x7fELF\2\1\1" + bytes(9) + b"\3\0>\0\1\0\0\0" * 20,
        *(text.encode() for text in (ENGLISH, GERMAN, RUSSIAN, CHINESE)),
        ENGLISH.encode("utf-8-sig"),
        b"the version https://git-lfs.github.com/spec/v1 of pointers",
    ],
)
def test_other_content_is_left_to_the_decoder(content):
    refuse_other_than_text("a.txt", content)


def test_a_git_lfs_pointer_is_no_text():
    with pytest.raises(DataError, match=r"^a.txt is a git-lfs pointer.*: git lfs pull$"):
        refuse_other_than_text("a.txt", POINTER)


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("He said “no” twice.".encode("cp1252"), "WINDOWS-1252"),
        ("A café, he said: “no”.".encode("cp1252"), "WINDOWS-1252"),
        ("A café.".encode("latin-1"), "LATIN1"),
    ],
)
def test_the_encoding_of_single_bytes_is_advised(content, encoding):
    with pytest.raises(UnicodeDecodeError) as caught:
        content.decode()
    offset = caught.value.start
    message = not_utf8("a.txt", content[offset], f"at offset {offset}", content)
    assert f"iconv -f {encoding} -t" in message


def test_all_bytes_that_follow_decide_on_the_advice():
    rest = "é and plain text. ".encode("cp1252") + b"word " * 4000 + "“no”".encode("cp1252")
    message = not_utf8("a.txt", rest[0], "far behind", b"word " * 2000, rest)
    assert "iconv -f WINDOWS-1252 -t" in message


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (CHINESE, "gb18030"),
        ("こんにちは、カタカナ ABC\n" * 40, "shift_jis"),
        (RUSSIAN, "cp1251"),
        ("Zażółć gęślą jaźń. ", "cp1250"),
    ],
)
def test_no_encoding_is_named_where_none_can_be_told(text, encoding):
    content = text.encode(encoding)
    message = not_utf8("a.txt", content[0], "at offset 0", content)
    assert "find out its encoding, for example with `file -i`" in message
    assert not {"LATIN1", "WINDOWS-1252"} & {*message.split()}


def test_what_gzip_wrote_is_named():
    with pytest.raises(DataError, match=r"^stdin is compressed with gzip: unpack it"):
        refuse_other_than_text("stdin", gzip.compress(ENGLISH.encode()))
