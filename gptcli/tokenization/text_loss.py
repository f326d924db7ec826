"""The characters of a text that its tokens do not restore: unknown, folded or without a token."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gptcli.runtime.escapes import visible
from gptcli.tokenization.byte_level import byte_letters, is_plain_byte_level
from gptcli.tokenization.splits import WORD_SPLITS
from gptcli.tokenization.tokenizer import Tokenizer
from gptcli.tokenization.vocabulary import Vocabulary, flat_decoders

MOST_LOST = 0.001  # of the characters: more than that is another text
_SPACE = "\u2581"  # how SentencePiece writes a space
_EXAMPLES = 3
_BYTE_NAME = re.compile(r"<0x([0-9A-Fa-f]{2})>")


class TextLoss:
    """Counts what is lost of texts; make one with ``TextLoss.of``.

    The space that many tokenizers put before a text, or drop there, is no loss.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        vocabulary = Vocabulary(tokenizer)
        self._tokenizer = tokenizer
        self._unknown = -1 if vocabulary.unknown is None else vocabulary.unknown
        self._is_text = np.ones(tokenizer.vocab_size, dtype=bool)
        self._is_text[[*tokenizer.special_tokens.values()]] = False
        if self._unknown >= 0:
            self._is_text[self._unknown] = False
        decoders = list(flat_decoders(tokenizer.content["decoder"]))
        self._drops_space = any(
            one["type"] == "Strip" or one.get("prepend_scheme", "never") != "never"
            for one in decoders
        )
        pieces = _pieces(tokenizer, vocabulary, decoders)
        self._joined = None if pieces is None else _Joined(pieces)

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> "TextLoss | None":
        """The counter of a tokenizer; None where every text can certainly be restored."""
        return None if _restores_all(tokenizer) else cls(tokenizer)

    def characters(self, text: str, ids: NDArray[Any]) -> Counter[str]:
        """Count the characters of ``text`` that ``ids``, its tokens, do not restore.

        Where the tokens give more characters than they lose, as spaces between all words, these
        are counted: the text cannot be told from others either.
        """
        restored = self._restored(ids)
        if text in (restored, f" {restored}") or f" {text}" == restored:
            return Counter()
        difference = _code_points(text) - _code_points(restored)
        missing, added = np.maximum(difference, 0), np.maximum(-difference, 0)
        counts = max(missing, added, key=lambda one: int(one.sum()))
        return Counter({chr(point): int(counts[point]) for point in np.flatnonzero(counts)})

    def restored_characters(self, ids: NDArray[Any]) -> int:
        """The number of characters that the tokens restore."""
        return len(self._restored(ids))

    def _restored(self, ids: NDArray[Any]) -> str:
        known = ids[self._is_text[ids]]
        if self._joined is None:
            return self._tokenizer.decode(known)
        joined = self._joined.text(known)
        return joined.removeprefix(" ") if self._drops_space else joined

    def description(self, lost: Counter[str]) -> str:
        """How characters are lost, with examples, as the end of a sentence about them."""
        ways: dict[str, list[str]] = {}
        for character, _ in lost.most_common():
            ways.setdefault(self._way(character), []).append(character)
        return ", ".join(
            f"{sum(lost[one] for one in ones):,} {way} ({_examples(ones)})"
            for way, ones in ways.items()
        )

    def _way(self, character: str) -> str:
        inner = self._tokenizer.inner
        if inner.normalizer and character not in inner.normalizer.normalize_str(character):
            return "are folded into others"
        if self._unknown < 0 or not len(self._tokenizer.encode(character)):
            return "have no token"
        return f"become {inner.id_to_token(self._unknown)}"  # perhaps with all of their word


def is_made_here(tokenizer: Tokenizer) -> bool:
    """Whether it is of a kind that is trained here to have unknown characters or words."""
    splits = tokenizer.content["pre_tokenizer"]
    pattern = (splits or {}).get("pattern")
    is_word = tokenizer.kind == "word" and pattern in [{"Regex": split} for split in WORD_SPLITS]
    return tokenizer.kind == "char" or is_word


def _restores_all(tokenizer: Tokenizer) -> bool:
    model = tokenizer.content["model"]
    if tokenizer.kind == "char":
        return model["unk_token"] not in model["vocab"]  # else encoding an unknown one is an error
    return is_plain_byte_level(tokenizer.content) and model["vocab"].keys() >= {*byte_letters()}


def _pieces(
    tokenizer: Tokenizer, vocabulary: Vocabulary, decoders: Sequence[Mapping[str, Any]]
) -> list[bytes] | None:
    """The bytes of each token where these together are the text; None for other decoders."""
    continues = tokenizer.content["model"].get("continuing_subword_prefix")
    ways = [_way_of_joining(decoder, f"^{continues}") for decoder in decoders]
    if not ways or None in ways:
        return None
    numbers = range(len(vocabulary))
    if "spaces" not in ways:
        return [vocabulary.entry(number).content for number in numbers]
    names = [tokenizer.inner.id_to_token(number) or "" for number in numbers]
    spelt = [name.replace(_SPACE, " ").encode() for name in names]
    if "bytes" in ways:
        found = [(number, _BYTE_NAME.fullmatch(name)) for number, name in enumerate(names)]
        for number, match in found:
            spelt[number] = bytes([int(match[1], 16)]) if match else spelt[number]
    return spelt


def _way_of_joining(decoder: Mapping[str, Any], continues: str) -> str | None:
    """How a decoder joins tokens, but for a space before the text; None where it does more."""
    match decoder:
        case {"type": "ByteLevel" | "Fuse"}:
            return "plain"
        case {"type": "Strip", "content": " ", "start": 1, "stop": 0}:
            return "plain"
        case {"type": "Replace", "pattern": {"Regex": str(regex)}} if regex == continues:
            return "plain"
        case {"type": "ByteFallback"}:
            return "bytes"
        case {"type": "Metaspace", "replacement": replaced} if replaced == _SPACE:
            return "spaces"
        case {"type": "Replace", "pattern": {"String": replaced}, "content": " "} if (
            replaced == _SPACE
        ):
            return "spaces"
        case {"type": "Replace", "pattern": {"String": "<unk>"}}:
            return "plain"  # of the unknown token, which restores nothing
    return None


class _Joined:
    """Joins the bytes of tokens, many times faster than the library."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._lengths = np.array([len(piece) for piece in pieces], dtype=np.int64)
        self._starts = np.cumsum(self._lengths) - self._lengths
        self._content = np.frombuffer(b"".join(pieces), dtype=np.uint8)

    def text(self, ids: NDArray[Any]) -> str:
        lengths = self._lengths[ids]
        ends = np.cumsum(lengths)
        shifts = np.repeat(self._starts[ids] - (ends - lengths), lengths)
        places = np.arange(len(shifts)) + shifts
        content: bytes = self._content[places].tobytes()
        return content.decode("utf-8", "replace")


def _code_points(text: str) -> NDArray[np.int64]:
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    return np.bincount(points, minlength=0x110000)


def _examples(characters: list[str]) -> str:
    more = ", ..." if len(characters) > _EXAMPLES else ""
    return ", ".join(f"'{visible(character)}'" for character in characters[:_EXAMPLES]) + more
