"""Telling from the first bytes of a file that it is not the UTF-8 text that it should be."""

import codecs
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
_MOST_STRANGE = 0.01  # of the characters
_WINDOWS_1252 = range(0x80, 0xA0)  # quotes and dashes there, control characters in Latin-1


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


def not_utf8(name: str, byte: int, place: str, start: bytes) -> str:
    """The message for a text with ``byte`` at ``place``; ``start`` is its beginning, for a hint."""
    if encoding := marked_encoding(start):
        hint = (
            f"it starts like {encoding}: convert it, for example with "
            f"`iconv -f {encoding} -t UTF-8`"
        )
    elif b"\0" in start[:START_BYTES]:
        hint = "is it a binary file?"
    elif byte in _WINDOWS_1252 or _has_windows_signs(start):
        hint = "convert it, for example with `iconv -f WINDOWS-1252 -t UTF-8`"
    else:
        hint = "convert it, for example with `iconv -f LATIN1 -t UTF-8`"
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
        ascii_signs >= len(text) * _LEAST_ASCII
        and ascii_signs >= 2 * swapped
        and strange <= len(text) * _MOST_STRANGE
    )


def _has_windows_signs(start: bytes) -> bool:
    """Whether bytes that are not UTF-8 are among those that Latin-1 leaves to control characters.

    The decoder gives a byte that is not UTF-8 as a surrogate, U+DC00 above it.
    """
    text = start.decode("utf-8", "surrogateescape")
    return any(ord(sign) - 0xDC00 in _WINDOWS_1252 for sign in text)
