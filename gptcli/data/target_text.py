"""The length of the text that a split's targets encode, for bits per byte and character."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gptcli.data.text_tokens import TextTokens
from gptcli.data.token_split import TokenSplit
from gptcli.errors import DataError
from gptcli.tokenization.text_loss import TextLoss
from gptcli.tokenization.tokenizer import Tokenizer
from gptcli.tokenization.vocabulary import Vocabulary

_TOKENS_AT_ONCE = 2**24
_DECODED_AT_ONCE = 2**20


def lost_share(split: TokenSplit | TextTokens, tokenizer: Tokenizer) -> float:
    """The share of a split's characters that its tokens do not restore.

    Of a dataset that an earlier version made it is the least possible share.
    """
    lost = split.n_lost
    if lost is None:
        lost = max(0, split.n_characters - _restored(split, tokenizer))
    return lost / max(split.n_characters, 1)


def _restored(split: TokenSplit | TextTokens, tokenizer: Tokenizer) -> int:
    loss = TextLoss.of(tokenizer)
    if loss is None:
        return split.n_characters
    starts = range(0, split.n_tokens, _DECODED_AT_ONCE)
    lengths = (min(_DECODED_AT_ONCE, split.n_tokens - start) for start in starts)
    blocks = (split.read(*span) for span in zip(starts, lengths, strict=True))
    return sum(map(loss.restored_characters, blocks))


@dataclass(frozen=True)
class TextLength:
    """The length of a text in UTF-8 bytes and in characters."""

    n_bytes: int
    n_characters: int


def target_text(split: TokenSplit | TextTokens, tokenizer: Tokenizer) -> TextLength | None:
    """The length of the text of all targets; None if that of a token is unknown.

    Without a mask that is all text but the first token's.
    """
    if isinstance(split, TokenSplit) and split.is_masked:
        return _masked_text(split, tokenizer)
    first = _first_text(split, tokenizer)
    size = TextLength(split.n_bytes - first.n_bytes, split.n_characters - first.n_characters)
    if min(size.n_bytes, size.n_characters) < 0 or not size.n_bytes:
        raise DataError("the data is damaged: its tokens do not make text")
    return size


def _first_text(split: TokenSplit | TextTokens, tokenizer: Tokenizer) -> TextLength:
    ids = split.read(0, 1)
    if ids.tolist() in [[number] for number in tokenizer.template.before]:
        return TextLength(0, 0)
    known = _Lengths.of(tokenizer)
    if known is not None and not known.unknown[ids].any():
        return known.total(ids)
    text = tokenizer.decode(ids)
    if tokenizer.kind == "char":
        text = text[:1]  # <unk> stands for one character
    return TextLength(len(text.encode()), len(text))


def _masked_text(split: TokenSplit, tokenizer: Tokenizer) -> TextLength | None:
    known = _Lengths.of(tokenizer)
    if known is None:
        return None
    n_bytes = n_characters = 0
    for start in range(1, split.n_tokens, _TOKENS_AT_ONCE):
        length = min(_TOKENS_AT_ONCE, split.n_tokens - start)
        ids = split.read(start, length)[split.read_mask(start, length)]
        if known.unknown[ids].any():
            return None
        part = known.total(ids)
        n_bytes, n_characters = n_bytes + part.n_bytes, n_characters + part.n_characters
    return TextLength(n_bytes, n_characters) if n_bytes and n_characters else None


@dataclass(frozen=True)
class _Lengths:
    """The length of each token in bytes and characters, and whether it is unknown."""

    n_bytes: NDArray[np.int64]
    n_characters: NDArray[np.int64]
    unknown: NDArray[np.bool_]

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> "_Lengths | None":
        """Measure a vocabulary; None where the text of a token depends on its neighbours."""
        vocabulary = Vocabulary(tokenizer)
        if not vocabulary.adds_up:
            return None
        boundaries = set(tokenizer.special_tokens.values()) - {vocabulary.unknown}
        contents = [b"" if entry.number in boundaries else entry.content for entry in vocabulary]
        n_characters = [sum(byte & 0xC0 != 0x80 for byte in content) for content in contents]
        numbers = np.arange(len(contents))
        unknown = numbers == (-1 if vocabulary.unknown is None else vocabulary.unknown)
        return cls(np.array([*map(len, contents)]), np.array(n_characters), unknown)

    def total(self, ids: NDArray[np.int64]) -> TextLength:
        """The length of the text of ``ids``."""
        return TextLength(int(self.n_bytes[ids].sum()), int(self.n_characters[ids].sum()))
