"""A table from characters to ids, many times faster than the library."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gptcli.tokenization.unseen import UnseenCharacterError


class CharacterTable:
    """Ids by code point, for a vocabulary of single characters, with or without <unk>."""

    def __init__(self, vocabulary: Mapping[str, int], unk: str, dtype: str = "int64") -> None:
        known = {ord(piece): number for piece, number in vocabulary.items() if len(piece) == 1}
        self._size = len(vocabulary)
        self._dtype = dtype
        self._none = max(vocabulary.values()) + 1  # marks characters without an id
        last = max(known) + 1  # the entry for every code point above the highest known one
        wide = dtype if self._none <= np.iinfo(dtype).max else "uint32"
        self._ids = np.full(last + 1, vocabulary.get(unk, self._none), dtype=wide)
        self._ids[list(known)] = list(known.values())
        self._bytes = _table_of_bytes(self._ids, self._none)

    def encode(self, text: str) -> NDArray[Any]:
        """One id per character; UnseenCharacterError for the first that has none."""
        if self._bytes and text.isascii():
            table, none = self._bytes
            small = text.encode("ascii").translate(table)
            if none not in small:
                return np.frombuffer(small, dtype=np.uint8).astype(self._dtype)
        codes = np.frombuffer(_utf32(text), dtype="<u4")
        ids = self._ids.take(codes, mode="clip")
        if ids.size and ids.max() == self._none:
            offset = int(np.argmax(ids == self._none))
            why = f"is not in the vocabulary of {self._size:,} characters"
            raise UnseenCharacterError(text[offset], offset, why)
        return ids.astype(self._dtype, copy=False)


def _table_of_bytes(ids: NDArray[Any], none: int) -> tuple[bytes, int] | None:
    """Ids of ASCII for bytes.translate, and the mark for no id; None if an id exceeds 255."""
    first = ids[np.minimum(np.arange(128), len(ids) - 1)].tolist()
    taken = {number for number in first if number != none}
    if taken and max(taken) > 255:
        return None
    mark = min(set(range(256)) - taken)
    return bytes([mark if number == none else number for number in first] + [mark] * 128), mark


def _utf32(text: str) -> bytes:
    try:
        return text.encode("utf-32-le")
    except UnicodeEncodeError as error:
        why = "is half of a surrogate pair: the text is not valid Unicode"
        raise UnseenCharacterError(text[error.start], error.start, why) from None


def is_character_tokenizer(content: Mapping[str, Any]) -> bool:
    """Whether a parsed tokenizer.json maps characters one by one and nothing else."""
    model, special = content["model"], content["added_tokens"]
    if model["type"] != "WordLevel" or content["normalizer"] is not None:
        return False
    names = {model["unk_token"], *(token["content"] for token in special)}
    return (
        _isolates_characters(content["pre_tokenizer"])
        and content["decoder"] == {"type": "Fuse"}
        and all(token["special"] for token in special)
        and all(len(piece) == 1 or piece in names for piece in model["vocab"])
        and any(len(piece) == 1 for piece in model["vocab"])
    )


def _isolates_characters(pre_tokenizer: Any) -> bool:
    return bool(
        pre_tokenizer
        == {
            "type": "Split",
            "pattern": {"String": ""},
            "behavior": "Isolated",
            "invert": False,
        }
    )
