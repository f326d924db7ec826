"""A text of any length and its ids, block by block."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gptcli.commands.tokenize.chosen_tokenizer import ChosenTokenizer
from gptcli.commands.tokenize.text_source import TextChunk, TextSource
from gptcli.commands.view.progress_bar import progress
from gptcli.errors import DataError, UsageError
from gptcli.runtime.threads import ordered_map
from gptcli.runtime.world import available_cores
from gptcli.tokenization.bulk import bulk_encoder
from gptcli.tokenization.splits import cuts_of
from gptcli.tokenization.unseen import UnseenCharacterError, unseen_error

_Ids = NDArray[Any]


@dataclass(frozen=True)
class TokenBlock:
    """A part of a text and its ids."""

    text: str
    ids: _Ids


@dataclass
class TokenCounts:
    """The size of the text that has been read so far."""

    characters: int = 0
    bytes: int = 0
    tokens: int = 0

    def add(self, block: TokenBlock) -> None:
        """Count a block."""
        text = block.text
        self.characters += len(text)
        self.bytes += len(text) if text.isascii() else len(text.encode())
        self.tokens += len(block.ids)

    @property
    def bytes_per_token(self) -> float | None:
        """The compression ratio; None for a text without tokens."""
        return self.bytes / self.tokens if self.tokens else None


class TokenStream(Protocol):
    """A text and its tokens, which can be read more than once."""

    @property
    def name(self) -> str:
        """The name of the text, for messages."""
        ...

    @property
    def chosen(self) -> ChosenTokenizer:
        """The tokenizer."""
        ...

    def blocks(self) -> Iterator[TokenBlock]:
        """All blocks in order."""
        ...

    def texts(self) -> Iterator[str]:
        """The text of all blocks."""
        ...


@dataclass(frozen=True)
class EncodedText:
    """A text, encoded by a tokenizer block by block."""

    source: TextSource
    chosen: ChosenTokenizer

    @property
    def name(self) -> str:
        """The name of the source."""
        return self.source.name

    def blocks(self) -> Iterator[TokenBlock]:
        """A block per chunk, between the tokens that the tokenizer's makers put around a text.

        Raises UsageError or DataError for a character without an id.
        """
        template = self.chosen.tokenizer.template
        if template.before:
            yield TokenBlock("", np.array(template.before))
        for texts, arrays in self.arrays():
            ids = np.concatenate(arrays) if arrays else np.array([], int)
            yield TokenBlock("".join(texts), ids)
        if template.after:
            yield TokenBlock("", np.array(template.after))

    def check(self) -> None:
        """Encode once for nothing where a character may have no id: half a document is none."""
        if self.source.is_argument or self.chosen.tokenizer.kind == "char":
            for _ in self.arrays():
                pass

    def arrays(self) -> Iterator[tuple[list[str], list[_Ids]]]:
        """The texts of each chunk and the ids of each text; files are encoded on all cores."""
        tokenizer = self.chosen.tokenizer
        if self.source.is_argument:
            encode = self._encoder(lambda texts: [tokenizer.encode(text) for text in texts])
            yield from map(encode, self.source.chunks())
            return
        encode = self._encoder(bulk_encoder(tokenizer, "uint32").encode)
        chunks = self.source.chunks(cuts_of(tokenizer))
        with progress("encoding", self.source.n_bytes(), "bytes") as advance:
            for done in ordered_map(encode, chunks, available_cores()):
                advance(sum(map(len, done[0])))
                yield done

    def texts(self) -> Iterator[str]:
        """The text, without encoding it."""
        for chunk in self.source.chunks():
            yield "".join(chunk.read())

    def _encoder(
        self, encode: Callable[[Sequence[str]], list[_Ids]]
    ) -> Callable[[TextChunk], tuple[list[str], list[_Ids]]]:
        def run(chunk: TextChunk) -> tuple[list[str], list[_Ids]]:
            texts = chunk.read()
            try:
                return texts, encode(texts)
            except UnseenCharacterError as error:
                raise self._unseen(chunk, error) from None

        return run

    def _unseen(self, chunk: TextChunk, error: UnseenCharacterError) -> UsageError | DataError:
        return unseen_error(
            error,
            self.name,
            "choose another --tokenizer, or make one that has it with `gptcli prepare FILE` "
            "(--unk for any character)",
            is_prompt=self.source.is_argument,
            place=chunk.place(error.text_index, error.offset),
            origin=self.chosen.origin,
        )


def beginning(stream: TokenStream, limit: int) -> tuple[list[int], TokenCounts]:
    """The first ids of a text, at most ``limit``, and the counts of all of it."""
    ids: list[int] = []
    counts = TokenCounts()
    for block in stream.blocks():
        if len(ids) < limit:
            ids += block.ids[: limit - len(ids)].tolist()
        counts.add(block)
    return ids, counts


def counts_line(counts: TokenCounts, chosen: ChosenTokenizer) -> str:
    """The counts in a line, with the special tokens that are among them."""
    template, piece = chosen.tokenizer.template, chosen.tokenizer.piece
    special = " and ".join(map(piece, (*template.before, *template.after)))
    return (
        f"{counts.characters:,} characters, {counts.bytes:,} bytes, {counts.tokens:,} tokens"
        f"{f' (with {special} around the text)' if special else ''}, "
        f"{counts.bytes_per_token or 0:.2f} bytes per token, "
        f"vocabulary {chosen.tokenizer.vocab_size:,} ({chosen.tokenizer.kind})"
    )
