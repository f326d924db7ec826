"""How byte-level vocabularies spell bytes: each by one printable character."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType


@cache
def byte_letters() -> tuple[str, ...]:
    """The character that stands for each byte value.

    A byte that is printable in Latin-1 is itself, the others are U+0100 and on, in order.
    """
    itself = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return tuple(chr(value if value in itself else next(others)) for value in range(256))


@cache
def byte_values() -> Mapping[str, int]:
    """The byte that each of the letters stands for."""
    return MappingProxyType({letter: value for value, letter in enumerate(byte_letters())})
