"""The tokens of a text of any length, in every format."""

from collections.abc import Iterator

from gptcli.commands.tokenize.token_page import token_page
from gptcli.commands.tokenize.token_stream import (
    TokenCounts,
    TokenStream,
    beginning,
    counts_line,
)
from gptcli.commands.tokenize.token_view import token_view
from gptcli.commands.view.answer import Answer, Document
from gptcli.commands.view.documents import Computed, StreamedList, StreamedText, written
from gptcli.commands.view.terminal import note
from gptcli.tokenization.vocabulary import Vocabulary

_SHOWN = 1000  # tokens of a text that are worth colouring


def token_answer(stream: TokenStream) -> Answer:
    """The tokens as JSON, as ids, or as a page."""
    return Answer(
        "gptcli.tokens/1",
        lambda: _document(stream),
        ids=_numbers(stream, TokenCounts()),
        page=lambda: token_page(stream),
    )


def shown_tokens(stream: TokenStream) -> Answer:
    """The first tokens of a text, each piece over its id, and the counts of the whole text."""
    ids, counts = beginning(stream, _SHOWN)
    vocabulary = Vocabulary(stream.chosen.tokenizer)
    entries = [vocabulary.entry(number) for number in ids]

    def note_the_rest() -> None:
        if len(ids) < counts.tokens:
            note(f"the first {len(ids):,} of {counts.tokens:,} tokens are shown: --ids prints all")

    return Answer(
        drawing=lambda canvas: [
            token_view(entries, canvas.width),
            counts_line(counts, stream.chosen),
        ],
        after=note_the_rest,
    )


def _document(stream: TokenStream) -> Document:
    """The document; ids, pieces and text each take one pass over the text."""
    counts = TokenCounts()
    return {
        "tokenizer": stream.chosen.document(),
        "ids": StreamedList(_numbers(stream, counts)),
        "pieces": StreamedList(_pieces(stream)),
        "text": StreamedText(stream.texts()),
        "characters": Computed(lambda: counts.characters),
        "bytes": Computed(lambda: counts.bytes),
        "tokens": Computed(lambda: counts.tokens),
        "bytes_per_token": Computed(lambda: counts.bytes_per_token),
    }


def _numbers(stream: TokenStream, counts: TokenCounts) -> Iterator[Iterator[str]]:
    """The ids of each block as decimal numbers; also adds the block to ``counts``."""
    numbers = [str(number) for number in range(stream.chosen.tokenizer.vocab_size)]
    for block in stream.blocks():
        counts.add(block)
        yield map(numbers.__getitem__, block.ids.tolist())


def _pieces(stream: TokenStream) -> Iterator[Iterator[str]]:
    """The pieces of each block as JSON strings."""
    vocabulary, known = Vocabulary(stream.chosen.tokenizer), dict[int, str]()
    for block in stream.blocks():
        ids = block.ids.tolist()
        for number in set(ids) - known.keys():
            known[number] = written(vocabulary.entry(number).text)
        yield map(known.__getitem__, ids)
