"""Characters to ids by one look-up in a numpy table: what the library does, many times faster."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gptcli.errors import DataError
from gptcli.runtime.text import named


class UnseenCharacterError(DataError):
    """A character for which the tokenizer has no id.

    Attributes:
        character: the character.
        offset: its place in the text, in characters from 0.

    """

    def __init__(self, character: str, offset: int, why: str) -> None:
        self.character = character
        self.offset = offset
        self.why = why
        super().__init__(f"character {named(character)} at offset {offset:,} {why}")


class CharacterTable:
    """Ids by code point, for a vocabulary of single characters and perhaps one for the rest."""

    def __init__(self, pieces: Sequence[str], unk: str) -> None:
        codes = [ord(piece) if len(piece) == 1 else -1 for piece in pieces]
        self._size = len(pieces)
        self._last = max(codes) + 1  # stands for every code point above the highest known
        unseen = pieces.index(unk) if unk in pieces else -1
        self._ids = np.full(self._last + 1, unseen, dtype=np.int64)
        for number, code in enumerate(codes):
            if code >= 0:
                self._ids[code] = number

    def encode(self, text: str) -> NDArray[np.int64]:
        """One id per character; UnseenCharacterError for the first that has none."""
        try:
            codes = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
        except UnicodeEncodeError as error:
            character = text[error.start]
            why = "is half of a surrogate pair: the text is not valid Unicode"
            raise UnseenCharacterError(character, error.start, why) from None
        ids: NDArray[np.int64] = self._ids[np.minimum(codes, self._last)]
        if ids.size and ids.min() < 0:
            offset = int(np.argmax(ids < 0))
            why = f"is not in the vocabulary of {self._size:,} characters"
            raise UnseenCharacterError(text[offset], offset, why)
        return ids


def is_character_tokenizer(content: dict[str, Any]) -> bool:
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
