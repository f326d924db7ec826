"""The vocabulary of a tokenizer: the bytes that every id represents."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from gptcli.runtime.escapes import visible
from gptcli.tokenization.byte_level import byte_values
from gptcli.tokenization.tokenizer import Tokenizer

_UNFINISHED = "\ufffd"
_LONGEST_CHARACTER = 4  # bytes, and so at most as many tokens
_BYTE_NAME = re.compile(r"<0x([0-9A-Fa-f]{2})>")
# Decoders of the library that concatenate tokens without any change.
_PLAIN = frozenset({"ByteLevel", "Fuse", "ByteFallback"})


@dataclass(frozen=True)
class VocabularyEntry:
    """One token of a vocabulary.

    Attributes:
        content: its text in UTF-8, in byte-level tokenizers possibly a part of a character.
        is_special: whether it has no text of its own: a boundary, or the unknown token.

    """

    number: int
    content: bytes
    is_special: bool

    @property
    def text(self) -> str:
        """The token as text, U+FFFD for bytes that are no whole character."""
        return self.content.decode("utf-8", "replace")

    @property
    def label(self) -> str:
        """The token for display: invisible characters made visible, parts of them as \\xNN."""
        return visible(self.content.decode("utf-8", "backslashreplace"))


class Vocabulary:
    """All entries, by id, in order, or by a search."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._content = tokenizer.content
        self._added = {token["id"]: token for token in self._content["added_tokens"]}
        self._continues = self._content["model"].get("continuing_subword_prefix") or ""
        self._decoders = {decoder["type"] for decoder in flat_decoders(self._content["decoder"])}

    def __len__(self) -> int:
        return self._tokenizer.vocab_size

    def __iter__(self) -> Iterator[VocabularyEntry]:
        missing = frozenset(self._tokenizer.missing_ids)
        return (self.entry(number) for number in range(len(self)) if number not in missing)

    def entry(self, number: int) -> VocabularyEntry:
        """The entry of the id ``number``, which must be below ``len(self)``."""
        return VocabularyEntry(number, self._bytes(number), self._is_special(number))

    @cached_property
    def adds_up(self) -> bool:
        """Whether every text is the concatenation of its tokens' texts."""
        return bool(self._decoders) and self._decoders <= _PLAIN

    @cached_property
    def unknown(self) -> int | None:
        """The id of the token for unknown text; None where there is none."""
        return self._names.index(self._unknown) if self._unknown in self._names else None

    def search(self, query: str) -> Iterator[VocabularyEntry]:
        """The entry of that id, then those with ``query`` in their text or in their label."""
        exact = int(query) if query.isascii() and query.isdigit() and len(query) < 20 else -1
        if 0 <= exact < len(self) and exact not in self._tokenizer.missing_ids:
            yield self.entry(exact)
        for entry in self:
            if entry.number != exact and (query in entry.text or query in entry.label):
                yield entry

    def ends_whole(self, ids: Sequence[int], end: int) -> bool:
        """Whether a text certainly ends in a whole character after ``end`` of its tokens.

        A run of byte tokens is valid or invalid as a whole, so that the next token may change
        the text of the last. UsageError for an id outside the vocabulary.
        """
        last = ids[max(end - _LONGEST_CHARACTER, 0) : end]
        if self._tokenizer.decode(last).endswith(_UNFINISHED):
            return False
        is_byte = "ByteFallback" in self._decoders and _BYTE_NAME.fullmatch(self._names[last[-1]])
        return not is_byte

    def _is_special(self, number: int) -> bool:
        added = self._added.get(number)
        return self._names[number] == self._unknown or bool(added and added["special"])

    def _bytes(self, number: int) -> bytes:
        name = self._names[number]
        if number in self._added:
            return name.encode()
        if "ByteLevel" in self._decoders:
            letters = name.removeprefix(self._continues)
            values = [byte_values().get(letter) for letter in letters]
            whole = [value for value in values if value is not None]
            return bytes(whole) if len(whole) == len(values) else name.encode()
        if "ByteFallback" in self._decoders and (match := _BYTE_NAME.fullmatch(name)):
            return bytes([int(match[1], 16)])
        return (name if self._decoders <= _PLAIN else self._text_within(number)).encode()

    def _text_within(self, number: int) -> str:
        """The text that a token adds, with its leading space, which many decoders drop at first."""
        reference, before = self._reference
        after = self._tokenizer.decode([reference, number])
        added = after.removeprefix(before)
        return added if added and after.startswith(before) else self._tokenizer.piece(number)

    @cached_property
    def _reference(self) -> tuple[int, str]:
        """A token that ends in a letter or digit, and its text; the first one if there is none."""
        letters = (
            number
            for number, name in enumerate(self._names)
            if number not in self._added and name[-1:].isalnum()
        )
        number = next(letters, 0)
        return number, self._tokenizer.decode([number])

    @cached_property
    def _names(self) -> list[str]:
        listed = self._content["model"]["vocab"]
        if isinstance(listed, dict):
            by_id = {number: name for name, number in listed.items()}
        else:  # unigram: names with their scores
            by_id = {number: name for number, (name, _) in enumerate(listed)}
        by_id |= {number: token["content"] for number, token in self._added.items()}
        return [by_id.get(number, "") for number in range(max(by_id) + 1)]

    @cached_property
    def _unknown(self) -> str | None:
        """The name of the token for unknown text; None where there is none."""
        model = self._content["model"]
        if model.get("unk_id") is not None:
            return self._names[int(model["unk_id"])]
        return cast("str | None", model.get("unk_token"))


def flat_decoders(decoder: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    """The decoders of a sequence, however nested; none for None."""
    if decoder is None:
        return
    if decoder["type"] != "Sequence":
        yield decoder
    for inner in decoder.get("decoders", ()):
        yield from flat_decoders(inner)
