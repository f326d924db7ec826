"""Encoding large texts, by the fastest way for each kind of tokenizer."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import tiktoken
from numpy.typing import NDArray

from gptcli.errors import DataError, UsageError
from gptcli.tokenization.byte_level import ByteTable
from gptcli.tokenization.byte_pairs import tiktoken_encoding
from gptcli.tokenization.character_table import CharacterTable
from gptcli.tokenization.splits import Cuts, cuts_of
from gptcli.tokenization.tokenizer import Tokenizer
from gptcli.tokenization.unseen import UnseenCharacterError

# tiktoken fails after a million steps of backtracking, which very long white space takes.
LONG_BLANK = 2**17
STEP = 2**14  # characters; the library takes twice the time per character for megabytes at once
_PLACES = {Cuts.WORDS: re.compile(r"[^\W_](?=[ \n])"), Cuts.SPACES: re.compile(r"[^\W_](?= )")}


class BulkEncoder(Protocol):
    """Encodes texts; safe to call from several threads at once.

    Attributes:
        leaves_lock: whether it mostly releases the interpreter lock, so that several threads
            are faster than one. Look-ups of characters and bytes do not.

    """

    leaves_lock: bool

    def encode(self, texts: Sequence[str]) -> list[NDArray[Any]]:
        """One array per text, of the dtype asked for: the ids that Tokenizer.encode gives.

        Raises UnseenCharacterError for a character without an id, whose ``offset`` is within
        the text number ``text_index``, and DataError for text that is not valid Unicode.
        """


def bulk_encoder(tokenizer: Tokenizer, dtype: str) -> BulkEncoder:
    """The fastest encoder that provably gives the ids of ``tokenizer.encode``.

    ``dtype`` is "uint16" or "uint32"; UsageError where the vocabulary does not fit it.
    """
    if tokenizer.vocab_size - 1 > np.iinfo(dtype).max:
        raise UsageError(f"{dtype} has no room for ids up to {tokenizer.vocab_size - 1:,}")
    characters = tokenizer.character_table(dtype)
    if characters:
        return _CharacterEncoder(characters)
    if tokenizer.kind == "byte":
        return _ByteEncoder(ByteTable(tokenizer.content["model"]["vocab"], dtype))
    library = LibraryEncoder(tokenizer, dtype)
    encoding = tiktoken_encoding(tokenizer)
    return TiktokenEncoder(encoding, library, dtype) if encoding else library


class _CharacterEncoder:
    leaves_lock = False

    def __init__(self, table: CharacterTable) -> None:
        self._table = table

    def encode(self, texts: Sequence[str]) -> list[NDArray[Any]]:
        return [self._encode(index, text) for index, text in enumerate(texts)]

    def _encode(self, index: int, text: str) -> NDArray[Any]:
        try:
            return self._table.encode(text)
        except UnseenCharacterError as error:
            error.text_index = index
            raise


class _ByteEncoder:
    leaves_lock = False

    def __init__(self, table: ByteTable) -> None:
        self._table = table

    def encode(self, texts: Sequence[str]) -> list[NDArray[Any]]:
        for text in texts:
            _check_unicode(text)
        return [self._table.encode(text) for text in texts]


class LibraryEncoder:
    """Encodes for every kind with the ``tokenizers`` library, in pieces where that is exact."""

    leaves_lock = True

    def __init__(self, tokenizer: Tokenizer, dtype: str) -> None:
        self._tokenizer = tokenizer
        self._dtype = dtype
        self._place = _PLACES.get(cuts_of(tokenizer))

    def encode(self, texts: Sequence[str]) -> list[NDArray[Any]]:
        """See BulkEncoder."""
        divided = [list(self._pieces(text)) for text in texts]
        pieces = [piece for pieces in divided for piece in pieces]
        ids = iter(self._tokenizer.encode_batch(pieces))
        return [self._joined([next(ids) for _ in pieces]) for pieces in divided]

    def _joined(self, arrays: Sequence[Sequence[int]]) -> NDArray[Any]:
        return np.concatenate([np.array(ids, dtype=self._dtype) for ids in arrays])

    def _pieces(self, text: str) -> Iterator[str]:
        start = 0
        while self._place and (place := self._place.search(text, start + STEP)):
            yield text[start : place.end()]
            start = place.end()
        yield text[start:]


class TiktokenEncoder:
    """Encodes for a byte-level BPE with tiktoken, and with the library where tiktoken fails."""

    leaves_lock = True

    def __init__(self, encoding: tiktoken.Encoding, library: LibraryEncoder, dtype: str) -> None:
        self._encoding = encoding
        self._library = library
        self._dtype = dtype

    def encode(self, texts: Sequence[str]) -> list[NDArray[Any]]:
        """See BulkEncoder."""
        return [self._encode(text) for text in texts]

    def _encode(self, text: str) -> NDArray[Any]:
        if _has_long_blank(text):
            return self._library.encode([text])[0]
        _check_unicode(text)
        # To an array, because making a list of so many numbers would hold the interpreter lock.
        ids = self._encoding.encode_to_numpy(text, disallowed_special=())
        return ids.astype(self._dtype)


def _has_long_blank(text: str) -> bool:
    """Whether one of the blocks of LONG_BLANK characters is only white space.

    That is so for every run of white space that is twice as long.
    """
    starts = range(0, len(text) - LONG_BLANK + 1, LONG_BLANK)
    return any(text[start : start + LONG_BLANK].isspace() for start in starts)


def _check_unicode(text: str) -> None:
    """DataError for half of a surrogate pair, which tiktoken would replace by U+FFFD."""
    try:
        if not text.isascii():
            text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(
            f"character U+{ord(text[error.start]):04X} at offset {error.start:,} is half of a "
            "surrogate pair: the text is not valid Unicode"
        ) from None
