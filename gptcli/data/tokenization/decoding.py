"""Token ids to text while they come, however many there are."""

from collections.abc import Iterable, Iterator

from gptcli.data.tokenization.codebook import CodeBook
from gptcli.data.tokenization.tokenizer import Tokenizer

_LONGEST_CHARACTER = 4  # tokens: bytes of UTF-8
_MOST_HELD = 2**18  # tokens without one whole character among them


def decode_blocks(
    tokenizer: Tokenizer, blocks: Iterable[list[int]]
) -> Iterator[tuple[str, list[int]]]:
    """All ids and their text in pieces of whole characters, as one call for all would decode them.

    A token may hold a part of a character, and may be written otherwise at the beginning of a
    text than within it; so a piece ends after a token that ends a whole character, and is
    decoded together with the token before it.
    """
    book = CodeBook(tokenizer)
    before: list[int] = []
    pending: list[int] = []
    for block in blocks:
        pending += block
        cut = _last_whole(book, pending) or (len(pending) if len(pending) > _MOST_HELD else 0)
        if cut:
            yield _added_text(tokenizer, before, pending[:cut]), pending[:cut]
            before, pending = [pending[cut - 1]], pending[cut:]
    if pending:
        yield _added_text(tokenizer, before, pending), pending


def _last_whole(book: CodeBook, ids: list[int]) -> int:
    """After how many of the ids the text surely ends in a whole character; 0 if nowhere."""
    lasts = ((n, ids[max(n - _LONGEST_CHARACTER, 0) : n]) for n in range(len(ids), 0, -1))
    return next((n for n, last in lasts if book.ends_whole(last)), 0)


def _added_text(tokenizer: Tokenizer, before: list[int], ids: list[int]) -> str:
    """What ``ids`` add to the text of ``before``."""
    return tokenizer.decode([*before, *ids])[len(tokenizer.decode(before)) :]
