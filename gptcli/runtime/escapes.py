"""Escapes for characters that a terminal would hide or act on."""

import unicodedata
from functools import lru_cache

_SIGNS = {"\n": "⏎", " ": "·", "\t": "⇥", "\r": "\\r"}
# Controls, formats (bidi overrides among them), private, unassigned, surrogates, odd spaces.
_HIDDEN = frozenset({"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp", "Zs"})
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


def named(character: str) -> str:
    """The character for a message: quoted if it can be seen, and its code point."""
    shown = repr(character) if character.isprintable() else f"'{escaped(character)}'"
    return f"{shown} (U+{ord(character):04X})"
