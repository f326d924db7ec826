"""Encoding the tasks of a plan, chunk by chunk, into the tokens of each split."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gptcli.data.chat.contents import CorpusKind
from gptcli.data.chat.encoding import PartEncoder
from gptcli.data.corpus.chunks import Chunk, Document, Reader
from gptcli.data.corpus.inputs import DocumentLayout
from gptcli.data.corpus.reading import open_readers
from gptcli.data.dataset_record import narrowest_dtype
from gptcli.data.preparation.chats import shape_of
from gptcli.data.preparation.division import Division
from gptcli.data.preparation.plan import Plan, Task
from gptcli.data.token_writer import EncodedTokens
from gptcli.errors import DataError, UsageError
from gptcli.runtime.progress import Advance
from gptcli.runtime.threads import ordered_map
from gptcli.tokenization.splits import cuts_of
from gptcli.tokenization.text_loss import TextLoss
from gptcli.tokenization.tokenizer import Tokenizer
from gptcli.tokenization.unseen import UnseenCharacterError, unseen_error


def encode_tasks(
    plan: Plan, tokenizer: Tokenizer, tasks: Sequence[Task], advance: Advance
) -> Iterator[dict[str, EncodedTokens]]:
    """Encode these tasks in order, by split, on several threads where that is faster."""
    shape = shape_of(plan.kind, tokenizer)
    readers = open_readers(plan.corpus.inputs, plan.read, cuts_of(tokenizer), shape)
    encoder = _ChunkEncoder(
        tokenizer, plan.division, plan.scan.is_masked, plan.corpus.is_collection
    )

    def chunks() -> Iterator[tuple[int, Reader, Chunk]]:
        for task in tasks:
            reader = readers[task.input]
            for chunk in reader.chunks(task.start, task.end):
                yield task.input, reader, chunk

    def encode(item: tuple[int, Reader, Chunk]) -> tuple[int, dict[str, EncodedTokens]]:
        return item[2].n_bytes, encoder.encode(*item)

    workers = plan.config.workers if encoder.gains_from_threads else 1
    for n_bytes, encoded in ordered_map(encode, chunks(), workers):
        advance(n_bytes)
        yield encoded


class _ChunkEncoder:
    """Encodes chunks; safe to use from several threads at once.

    The tokenizer's template is around each text. With ``ends_documents`` its end-of-text, where
    it has one, follows each, too. These are targets where the part beside them is. Chats have
    what their own template writes, and the answers of a pair have their ends already.
    """

    def __init__(
        self, tokenizer: Tokenizer, division: Division, is_masked: bool, ends_documents: bool
    ) -> None:
        self._dtype = narrowest_dtype(tokenizer.vocab_size)
        self._parts = PartEncoder(tokenizer, self._dtype)
        self.gains_from_threads = self._parts.leaves_lock
        before, after = tokenizer.template.before, tokenizer.template.after
        end = tokenizer.end_of_text if ends_documents else None
        self._before = np.array(before, dtype=self._dtype)
        ends = () if end is None or after[-1:] == (end,) else (end,)
        self._after = np.array([*after, *ends], dtype=self._dtype)
        self._loss = TextLoss.of(tokenizer)
        self._division = division
        self._is_masked = is_masked

    def encode(self, number: int, reader: Reader, chunk: Chunk) -> dict[str, EncodedTokens]:
        """The tokens of a chunk of input ``number``, by split."""
        documents = [document for document in reader.parse(chunk).documents if document.has_text]
        try:
            arrays = iter(self._parts.encode([part for one in documents for part in one.parts]))
        except UnseenCharacterError as error:
            raise _unseen(reader, documents, error) from None
        gathered: dict[str, _Gathering] = {}
        for document in documents:
            split = self._division.split_of(number, document)
            if split not in gathered:
                gathered[split] = _Gathering(self._dtype, self._is_masked)
            ids = [next(arrays) for _ in document.parts]
            begins = self._division.begins_val(number, document)
            gathered[split].add(document, ids, self._around(document.kind), begins)
            if self._loss is not None:
                gathered[split].lost += sum(
                    self._loss.characters(text, of_text).total()
                    for text, of_text in _texts_with_ids(document, ids)
                )
        return {split: gathering.encoded() for split, gathering in gathered.items()}

    def _around(self, kind: CorpusKind) -> tuple[NDArray[Any], NDArray[Any]]:
        """The tokens before and after a document of that kind."""
        before, after = self._before, self._after
        return (
            before[:0] if kind.has_turns else before,
            after[:0] if kind is not CorpusKind.TEXT else after,
        )


def _texts_with_ids(
    document: Document, ids: Sequence[NDArray[Any]]
) -> Iterator[tuple[str, NDArray[Any]]]:
    """The texts of a document, those that were encoded together as one, with their ids."""
    text = ""
    arrays: list[NDArray[Any]] = []
    for part, of_part in zip(document.parts, ids, strict=True):
        if not part.joined and arrays:
            yield text, np.concatenate(arrays)
            text, arrays = "", []
        if not part.special:
            text, arrays = text + part.text, [*arrays, of_part]
    if arrays:
        yield text, np.concatenate(arrays)


class _Gathering:
    """The tokens of one split, gathered document after document."""

    def __init__(self, dtype: str, is_masked: bool) -> None:
        self._dtype = dtype
        self._ids: list[NDArray[Any]] = []
        self._masks: list[NDArray[np.uint8]] | None = [] if is_masked else None
        self._starts: list[int] = []
        self._length = self._characters = self._bytes = 0
        self.lost = 0

    def add(
        self,
        document: Document,
        arrays: Sequence[NDArray[Any]],
        around: tuple[NDArray[Any], NDArray[Any]],
        is_start: bool,
    ) -> None:
        before = self._length
        leading, trailing = around
        if document.is_start:
            self._append(leading, document.parts[0].target)
        for part, ids in zip(document.parts, arrays, strict=True):
            self._append(ids, part.target)
            if not part.special:
                self._characters += len(part.text)
                self._bytes += len(part.text) if part.text.isascii() else len(part.text.encode())
        if document.is_end:
            self._append(trailing, document.parts[-1].target)
        is_empty = document.is_end and self._length == before  # some tokenizers drop white space
        if (is_start or document.is_start) and not is_empty:
            self._starts.append(before)

    def _append(self, ids: NDArray[Any], target: int) -> None:
        if not len(ids):
            return
        self._ids.append(ids)
        self._length += len(ids)
        if self._masks is not None:
            self._masks.append(np.full(len(ids), target, dtype=np.uint8))

    def encoded(self) -> EncodedTokens:
        return EncodedTokens(
            ids=_joined(self._ids, self._dtype),
            mask=None if self._masks is None else _joined(self._masks, "uint8"),
            starts=np.array(self._starts, dtype=np.int64),
            characters=self._characters,
            bytes=self._bytes,
            lost=self.lost,
        )


def _joined(arrays: Sequence[NDArray[Any]], dtype: str) -> NDArray[Any]:
    if len(arrays) == 1:
        return arrays[0]  # the common case, without a copy
    return np.concatenate(arrays) if arrays else np.empty(0, dtype)


def _unseen(
    reader: Reader, documents: Sequence[Document], error: UnseenCharacterError
) -> UsageError | DataError:
    """The error with its place in the input."""
    owners = [(document, part.text) for document in documents for part in document.parts]
    document, text = owners[error.text_index]
    offset = document.offset
    if reader.source.layout is DocumentLayout.TEXT:
        offset += len(text[: error.offset].encode("utf-8"))
    source = f"{reader.source.name}, {reader.place(offset)}"
    remedy = "leave --tokenizer out, or give one made with --unk"
    return unseen_error(error, source, remedy, is_prompt=False, place="")
