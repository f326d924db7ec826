"""From the parts of documents to token ids: text by the tokenizer, special tokens by their name."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import numpy as np
import tokenizers
from numpy.typing import NDArray

from gptcli.data.chat.chat_template import DocumentPart
from gptcli.errors import UsageError
from gptcli.tokenization.bulk import bulk_encoder
from gptcli.tokenization.tokenizer import Tokenizer
from gptcli.tokenization.unseen import UnseenCharacterError

Parts = Sequence[DocumentPart]
_KEEP_APART = ("char", "byte")  # kinds of tokenizers whose tokens do not depend on what is beside


class PartEncoder:
    """Encodes the parts of documents; safe to use from several threads at once.

    Args:
        tokenizer: of whose special tokens the parts may have the names.
        dtype: of the ids, "uint16" or "uint32".

    """

    def __init__(self, tokenizer: Tokenizer, dtype: str) -> None:
        self._tokenizer = tokenizer
        self._dtype = dtype
        self._bulk = bulk_encoder(tokenizer, dtype)
        self.leaves_lock = self._bulk.leaves_lock  # so that several threads are faster than one
        self._special = {
            name: np.array([number], dtype=dtype)
            for name, number in tokenizer.special_tokens.items()
        }
        self._strips = _stripping(tokenizer)
        self._joins = tokenizer.kind not in _KEEP_APART

    def encode(self, parts: Parts) -> list[NDArray[Any]]:
        """The ids of each part; several documents may stand one behind the other.

        Raises UnseenCharacterError for a character without an id, whose ``text_index`` is the
        number of its part.
        """
        if not any(part.special or part.joined for part in parts):
            return self._bulk.encode([part.text for part in parts])
        parts = self._stripped(parts) if self._strips else parts
        found: list[NDArray[Any] | None] = [None] * len(parts)
        for numbers in self._joined_runs(parts):
            texts = [parts[number].text for number in numbers]
            targets = [parts[number].target for number in numbers]
            for number, ids in zip(numbers, self._divided(texts, targets), strict=True):
                found[number] = ids
        plain = [
            number
            for number, part in enumerate(parts)
            if found[number] is None and not part.special
        ]
        try:
            arrays = self._bulk.encode([parts[number].text for number in plain])
        except UnseenCharacterError as error:
            error.text_index = plain[error.text_index]
            raise
        for number, ids in zip(plain, arrays, strict=True):
            found[number] = ids
        return [
            self._special[part.text] if ids is None else ids
            for part, ids in zip(parts, found, strict=True)
        ]

    def _joined_runs(self, parts: Parts) -> Iterator[range]:
        """The numbers of parts that are encoded together."""
        if not self._joins or not any(part.joined for part in parts):
            return
        start = 0
        for number in range(1, len(parts) + 1):
            if number == len(parts) or not parts[number].joined:
                if number - start > 1:
                    yield range(start, number)
                start = number

    def _divided(self, texts: Sequence[str], targets: Sequence[int]) -> list[NDArray[Any]]:
        """The ids of texts that are one, divided among them.

        A token over the border of two belongs to the one with the higher target.
        """
        whole = self._tokenizer.inner.encode("".join(texts), add_special_tokens=False)
        ends = np.cumsum([len(text) for text in texts])
        offsets = np.array(whole.offsets, dtype=np.int64).reshape(-1, 2)
        last_text = len(texts) - 1
        first = np.searchsorted(ends, offsets[:, 0], side="right").clip(max=last_text)
        last = np.searchsorted(ends, np.maximum(offsets[:, 1], offsets[:, 0] + 1))
        owners = [
            max(range(low, high + 1), key=lambda number: targets[number])
            for low, high in zip(first.tolist(), last.clip(max=last_text).tolist(), strict=True)
        ]
        ids = np.array(whole.ids, dtype=np.int64)
        self._tokenizer.check_ids(ids)
        owner = np.array(owners, dtype=np.int64)
        return [ids[owner == number].astype(self._dtype) for number in range(len(texts))]

    def _stripped(self, parts: Parts) -> Parts:
        """The parts without the white space that a special token beside them swallows."""
        kept = list(parts)
        for number, part in enumerate(parts):
            before, behind = self._strips.get(part.text, (False, False)) if part.special else (0, 0)
            if before and number and not kept[number - 1].special:
                kept[number - 1] = replace(kept[number - 1], text=kept[number - 1].text.rstrip())
            if behind and number + 1 < len(kept) and not kept[number + 1].special:
                kept[number + 1] = replace(kept[number + 1], text=kept[number + 1].text.lstrip())
        return kept


def _stripping(tokenizer: Tokenizer) -> dict[str, tuple[bool, bool]]:
    """The special tokens that swallow white space: before them, behind them."""
    listed = [one for one in tokenizer.content["added_tokens"] if one["special"]]
    found = {one["content"]: (one["lstrip"], one["rstrip"]) for one in listed}
    return {name: sides for name, sides in found.items() if any(sides)}


def encode_parts(tokenizer: Tokenizer, parts: Parts) -> NDArray[np.int64]:
    """The ids of all parts."""
    arrays = PartEncoder(tokenizer, "uint32").encode(parts)
    return np.concatenate([np.empty(0, np.int64), *arrays]).astype(np.int64)


def plain_texts(parts: Parts) -> Iterator[str]:
    """The texts between the special tokens."""
    for is_special, run in groupby(parts, key=lambda part: part.special):
        if not is_special:
            yield "".join(part.text for part in run)


def check_holds_chats(tokenizer: Tokenizer, name: str) -> None:
    """Raise UsageError where a text has other ids beside the special token than by itself."""
    if tokenizer.kind in _KEEP_APART:
        return
    text = tokenizer.encode("a").tolist()
    apart = [*text, tokenizer.special_tokens[name], *text]
    library = tokenizers.Tokenizer.from_str(tokenizer.to_json())
    library.encode_special_tokens = False
    together = library.encode(f"a{name}a", add_special_tokens=False).ids
    if together != apart:
        raise UsageError(
            "the tokenizer cannot hold chats: a text has other ids behind a special token than by "
            "itself (SentencePiece puts a space before the first word alone): take one of GPT-2's "
            "kind, such as --tokenizer bpe, or char or byte"
        )
