"""A text and its ids, block by block, however long it is."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from gptcli.commands.text_source import Passage, Source
from gptcli.commands.view.progress import progress
from gptcli.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from gptcli.tokenization.tokenizer import Tokenizer
    from gptcli.tokenization.unseen import UnseenCharacterError


@dataclass(frozen=True)
class Block:
    """Some of a text and exactly its ids."""

    text: str
    ids: "NDArray[Any]"


@dataclass
class Counts:
    """What has been seen of a text."""

    characters: int = 0
    bytes: int = 0
    tokens: int = 0

    def add(self, block: Block) -> None:
        """Count a block."""
        text = block.text
        self.characters += len(text)
        self.bytes += len(text) if text.isascii() else len(text.encode())
        self.tokens += len(block.ids)

    @property
    def bytes_per_token(self) -> float | None:
        """None for a text without tokens."""
        return self.bytes / self.tokens if self.tokens else None


class Stream(Protocol):
    """A text and its tokens, which can be gone through more than once."""

    @property
    def name(self) -> str:
        """What the text is called."""
        ...

    @property
    def tokenizer(self) -> "Tokenizer":
        """What makes the tokens."""
        ...

    @property
    def origin(self) -> str:
        """Where the tokenizer is from."""
        ...

    def blocks(self) -> Iterator[Block]:
        """All of it."""
        ...

    def texts(self) -> Iterator[str]:
        """The text of all blocks."""
        ...


@dataclass(frozen=True)
class Encoded:
    """The tokens that a tokenizer makes of a text."""

    source: Source
    tokenizer: "Tokenizer"
    origin: str

    @property
    def name(self) -> str:
        """The name of the source."""
        return self.source.name

    def blocks(self) -> Iterator[Block]:
        """Chunk by chunk; UsageError or DataError for a character without an id."""
        import numpy as np

        for texts, arrays in self.arrays():
            yield Block("".join(texts), np.concatenate(arrays) if arrays else np.array([], int))

    def arrays(self) -> "Iterator[tuple[list[str], list[NDArray[Any]]]]":
        """The texts of each chunk and the ids of each text, on all cores where it pays."""
        if self.source.is_argument:
            encode = self._encoder(lambda texts: [self.tokenizer.encode(text) for text in texts])
            yield from map(encode, self.source.passages())
            return
        from gptcli.runtime.threads import available_cores, ordered_map
        from gptcli.tokenization.bulk import bulk_encoder
        from gptcli.tokenization.cuts import cuts_of

        encode = self._encoder(bulk_encoder(self.tokenizer, "uint32").encode)
        passages = self.source.passages(cuts_of(self.tokenizer))
        with progress("encoding", self.source.n_bytes(), "bytes") as advance:
            for done in ordered_map(encode, passages, available_cores()):
                advance(sum(map(len, done[0])))
                yield done

    def texts(self) -> Iterator[str]:
        """The text, without encoding it."""
        for passage in self.source.passages():
            yield "".join(passage.read())

    def _encoder(
        self, encode: "Callable[[Sequence[str]], list[NDArray[Any]]]"
    ) -> "Callable[[Passage], tuple[list[str], list[NDArray[Any]]]]":
        from gptcli.tokenization.unseen import UnseenCharacterError

        def run(passage: Passage) -> "tuple[list[str], list[NDArray[Any]]]":
            texts = passage.read()
            try:
                return texts, encode(texts)
            except UnseenCharacterError as error:
                raise self._unseen(passage, error) from None

        return run

    def _unseen(self, passage: Passage, error: "UnseenCharacterError") -> UsageError | DataError:
        from gptcli.tokenization.unseen import unseen_error

        return unseen_error(
            error,
            self.name,
            "choose another --tokenizer, or make one that has it with `gptcli prepare FILE` "
            "(--unk for any character)",
            is_prompt=self.source.is_argument,
            place=passage.place(error.text_index, error.offset),
            origin=self.origin,
        )
