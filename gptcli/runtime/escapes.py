"""Escapes for characters that a terminal would hide or act on."""

import os
import shlex
import unicodedata
from functools import lru_cache
from pathlib import Path

_SIGNS = {"\n": "⏎", " ": "·", "\t": "⇥", "\r": "\\r"}
# Controls, formats (bidi overrides among them), private, unassigned, surrogates, odd spaces.
_HIDDEN = frozenset({"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp", "Zs"})
UNSAFE = (*range(0x7F, 0xA0), 0x61C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A))
"""Beside ASCII's controls, the characters on which terminals act: controls, line ends, and marks
that reverse the order of the text around them."""
_CARRIER = "◌"  # the usual base for a combining mark that is shown alone


def visible(text: str) -> str:
    """The text on one line: newline as ⏎, space as ·, tab as ⇥, other invisibles escaped.

    The result cannot move the cursor, change colours or reorder the text around it. A leading
    combining mark gets a dotted circle, so that it does not join the character before it.
    """
    shown = "".join(map(_show, text))
    return _CARRIER + shown if text and unicodedata.combining(text[0]) else shown


@lru_cache(maxsize=4096)
def _show(character: str) -> str:
    if character in _SIGNS:
        return _SIGNS[character]
    if unicodedata.category(character) in _HIDDEN:
        return escaped(character)
    return character


def escaped(character: str) -> str:
    """The character as Python would write it: ``\\x1b``, ``\\u202e``, ``\\U000e0001``."""
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def typed(path: str | Path) -> str:
    """A path as it is typed in a shell: quoted where needed, controls as bash reads them."""
    text = str(path)
    text = f"./{text}" if text.startswith("-") else text
    if text.isprintable():
        return shlex.quote(text)
    plain = {code: chr(code) for code in range(32, 127) if chr(code) not in "'\\"}
    written = "".join(plain.get(code, f"\\x{code:02x}") for code in os.fsencode(text))
    return f"$'{written}'"


def named(character: str) -> str:
    """The character for a message: quoted if it can be seen, and its code point."""
    shown = repr(character) if character.isprintable() else f"'{escaped(character)}'"
    return f"{shown} (U+{ord(character):04X})"
