"""Byte-level tokenizers: the letters that represent bytes, and a table from bytes to ids."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

_OPTIONS = ("unk_token", "continuing_subword_prefix", "end_of_word_suffix")


@cache
def byte_letters() -> tuple[str, ...]:
    """The printable character that represents each byte value in a byte-level vocabulary.

    A byte that is printable in Latin-1 represents itself, the others are U+0100, U+0101 ...
    """
    itself = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return tuple(chr(value if value in itself else next(others)) for value in range(256))


@cache
def byte_values() -> Mapping[str, int]:
    """The byte value that each letter represents."""
    return MappingProxyType({letter: value for value, letter in enumerate(byte_letters())})


class ByteTable:
    """Ids by byte value, for a tokenizer for which is_byte_tokenizer is true."""

    def __init__(self, vocabulary: Mapping[str, int], dtype: str) -> None:
        ids = [vocabulary[letter] for letter in byte_letters()]
        self._ids = np.array(ids, dtype=dtype)
        self._dtype = dtype
        self._is_identity = ids == list(range(256))

    def encode(self, text: str) -> NDArray[Any]:
        """One id per byte of UTF-8; UnicodeEncodeError for half of a surrogate pair."""
        values = np.frombuffer(text.encode("utf-8"), dtype=np.uint8)
        return values.astype(self._dtype) if self._is_identity else self._ids[values]


def is_byte_tokenizer(content: Mapping[str, Any]) -> bool:
    """Whether a parsed tokenizer.json maps bytes one by one and nothing else."""
    return (
        is_plain_byte_level(content)
        and not content["model"]["merges"]
        and content["model"]["vocab"].keys() == set(byte_letters())
    )


def is_plain_byte_level(content: Mapping[str, Any]) -> bool:
    """Whether it is a BPE on bytes whose merges alone decide the tokens of a word."""
    model = content["model"]
    return (
        model["type"] == "BPE"
        and not any(model[option] for option in _OPTIONS)
        and not model["byte_fallback"]
        and content["normalizer"] is None
        and all(token["special"] for token in content["added_tokens"])
        and _ends_in_bytes(content["pre_tokenizer"])
        and content["decoder"] is not None
        and content["decoder"]["type"] == "ByteLevel"
    )


def _ends_in_bytes(pre_tokenizer: Mapping[str, Any] | None) -> bool:
    """Whether a pre-tokenizer splits text without loss and then writes bytes as letters."""
    if pre_tokenizer is None:
        return False
    if pre_tokenizer["type"] == "Sequence":
        *splits, last = pre_tokenizer["pretokenizers"] or [None]
        return all(map(_only_splits, splits)) and _ends_in_bytes(last)
    return bool(pre_tokenizer["type"] == "ByteLevel" and not pre_tokenizer["add_prefix_space"])


def _only_splits(pre_tokenizer: Mapping[str, Any]) -> bool:
    is_split = pre_tokenizer["type"] == "Split" and pre_tokenizer["behavior"] != "Removed"
    return bool(is_split or pre_tokenizer["type"] == "Digits")
