"""Telling from the first bytes of a file that it is not the UTF-8 text that it should be."""

import codecs
import re
import unicodedata

from gptcli.errors import DataError
from gptcli.runtime.files import is_lfs_pointer

START_BYTES = 2**13  # of a file: enough to tell
# A mark of UTF-32 begins with one of UTF-16, so it is looked for first.
_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
_GZIP = b"\x1f\x8b\x08"
_WIDE = ("UTF-32LE", "UTF-32BE", "UTF-16LE", "UTF-16BE")
_FEWEST_BYTES = 16  # fewer may be anything
_LEAST_ASCII = 0.1  # of the characters: line ends, spaces and digits alone are more
_FEWEST_ASCII = 4  # each has a zero byte; fewer of these may be in any text
_MOST_STRANGE = 0.01  # of the characters
_WINDOWS_1252 = range(0x80, 0xA0)  # quotes and dashes there, control characters in Latin-1
_NO_SIGNS = frozenset({0x81, 0x8D, 0x8F, 0x90, 0x9D})  # in neither of the two
_NOT_UTF8 = re.compile("[\udc80-\udcff]")  # as the decoder's "surrogateescape" gives it
_ALONE = re.compile("(?<![^\0-\x7f])[\udc80-\udcff](?![^\0-\x7f])")


def refuse_other_than_text(name: str, start: bytes) -> None:
    """Raise DataError for what must not be read as UTF-8, whatever its bytes are.

    That is a git-lfs pointer in place of a text, what gzip wrote, and UTF-16 or UTF-32, whose
    zero bytes are valid UTF-8; ``start`` is the beginning of the file.
    """
    refuse_pointer(name, start)
    if start.startswith(_GZIP):
        raise DataError(
            f"{name} is compressed with gzip: unpack it, as with `gzip -dc`, or give a file whose "
            "name ends in .gz"
        )
    if marked_encoding(start):
        offset = next(place for place, byte in enumerate(start) if byte)
        place = f"at offset {offset} (line 1)"
        raise DataError(not_utf8(name, start[offset], place, start))
    if encoding := _unmarked(start):
        raise DataError(
            f"{name} looks like {encoding[:6]} without a byte order mark: convert it, as with "
            f"`iconv -f {encoding} -t UTF-8`"
        )


def refuse_pointer(name: str, start: bytes) -> None:
    """Raise DataError for a git-lfs pointer in place of a text."""
    if is_lfs_pointer(start):
        raise DataError(f"{name} is a git-lfs pointer, not the text: git lfs pull")


def not_utf8(name: str, byte: int, place: str, start: bytes, scanned: bytes = b"") -> str:
    """The message for a text with ``byte`` at ``place``.

    ``start`` is its beginning and ``scanned`` what follows from that byte on, both for a hint.
    """
    scanned = scanned or start
    if encoding := marked_encoding(start):
        hint = (
            f"it starts like {encoding}: convert it, for example with "
            f"`iconv -f {encoding} -t UTF-8`"
        )
    elif b"\0" in start[:START_BYTES]:
        hint = "is it a binary file?"
    elif encoding := _of_single_bytes(scanned):
        hint = f"convert it, for example with `iconv -f {encoding} -t UTF-8`"
    else:
        hint = (
            "find out its encoding, for example with `file -i`, and convert it with "
            "`iconv -f ENCODING -t UTF-8`"
        )
    return f"{name} is not UTF-8, byte 0x{byte:02x} {place}: {hint}"


def marked_encoding(start: bytes) -> str | None:
    """UTF-16 or UTF-32, where the byte order mark of one of them begins a file; else None."""
    return next((encoding for mark, encoding in _MARKS.items() if start.startswith(mark)), None)


def _unmarked(start: bytes) -> str | None:
    """The wide encoding without a mark in which a text begins so; None for anything else.

    A character of ASCII is in it a byte beside zero bytes, and only one of the encodings has
    these zeros in the right place.
    """
    whole = start[: min(len(start), START_BYTES) // 4 * 4]
    if len(whole) < _FEWEST_BYTES or b"\0" not in whole:
        return None
    return next((encoding for encoding in _WIDE if _is_text_in(encoding, whole)), None)


def _is_text_in(encoding: str, content: bytes) -> bool:
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(content)  # its end may be cut
    except UnicodeDecodeError:
        return False
    ascii_signs = sum(sign.isascii() for sign in text)
    strange = sum(
        unicodedata.category(sign) in ("Cc", "Cn", "Co") and not sign.isspace() for sign in text
    )
    # U+4E00 and U+3000 are common in Chinese; half of all zeros in a list with zeros between.
    swapped = sum(ord(sign) & 0xFF == 0 for sign in text)
    return (
        ascii_signs >= max(_FEWEST_ASCII, len(text) * _LEAST_ASCII)
        and ascii_signs >= 2 * swapped
        and strange <= len(text) * _MOST_STRANGE
    )


def _of_single_bytes(content: bytes) -> str | None:
    """The encoding of Western Europe that bytes which are not UTF-8 may be in; None for none.

    There most of these stand between letters of ASCII. In Cyrillic text, and in Chinese or
    Japanese characters of two bytes, most stand side by side.
    """
    text = content.decode("utf-8", "surrogateescape")
    values = {ord(sign) - 0xDC00 for sign in _NOT_UTF8.findall(text)}
    n_alone, n_all = len(_ALONE.findall(text)), len(_NOT_UTF8.findall(text))
    if values & _NO_SIGNS or 2 * n_alone < n_all:
        return None
    return "WINDOWS-1252" if values & {*_WINDOWS_1252} else "LATIN1"
