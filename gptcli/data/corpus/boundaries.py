"""Finding boundaries: places where bytes may be cut, from a block and a few bytes before it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from gptcli.tokenization.cuts import Cuts

LONGEST_CHARACTER = 4  # bytes of UTF-8
_WINDOWS = (2**8, 2**14)  # bytes searched first, as a safe place is usually near

# The space or newline, if the character before it is alphanumeric: \w is that or an underscore.
SAFE_PLACES = {
    Cuts.WORDS: re.compile(r"[ \n](?<=[^\W_][ \n])"),
    Cuts.SPACES: re.compile(r" (?<=[^\W_] )"),
}


@dataclass(frozen=True)
class ByteBlock:
    """A block of an input: its offset, a few bytes before it, its content, and if it is last."""

    offset: int
    before: bytes
    content: bytes
    is_final: bool


FindBoundary = Callable[[ByteBlock], int | None]


def text_boundary(cuts: Cuts) -> FindBoundary:
    """Return the search for the first place in a block where ``cuts`` allows a boundary.

    If there is none in the block, the search returns the first place between two characters.
    """
    safe = SAFE_PLACES.get(cuts)
    return _character_boundary if safe is None else partial(_safe_or_forced, safe)


def line_boundary(block: ByteBlock) -> int | None:
    """Find the place after the first newline of a block; None where there is none."""
    return block.content.find(b"\n") + 1 or None


def _safe_or_forced(safe: re.Pattern[str], block: ByteBlock) -> int:
    stop = 0
    for window in (*_WINDOWS, len(block.content)):
        start, stop = stop, min(window, len(block.content))
        before = (block.before + block.content[:start])[-LONGEST_CHARACTER:]
        found = _first_match(safe, before + block.content[start:stop], len(before))
        if found is not None:
            return start + found
    return _character_boundary(block)


def _first_match(safe: re.Pattern[str], content: bytes, least: int) -> int | None:
    """Find the first match from byte ``least`` on, counted from there.

    Bytes that are not UTF-8, such as half a character at the edges, become surrogates, which are
    not alphanumeric, so that they never make a place look safe.
    """
    if not any(sign in content for sign in b" \n"):  # much faster than the pattern
        return None
    text = content.decode("utf-8", "surrogateescape")
    for match in safe.finditer(text):
        place = len(text[: match.start()].encode("utf-8", "surrogateescape"))
        if place >= least:
            return place - least
    return None


def _character_boundary(block: ByteBlock) -> int:
    """Find the first byte that begins a character.

    A character has at most four bytes, so it ends after at most three that continue it.
    """
    most = LONGEST_CHARACTER - 1
    beginnings = (i for i, byte in enumerate(block.content[:most]) if byte & 0xC0 != 0x80)
    return next(beginnings, most)
