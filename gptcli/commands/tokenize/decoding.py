"""``--decode``: turns a list of ids of any length back into text."""

import io
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, cast

import numpy as np

from gptcli.commands.tokenize.chosen_tokenizer import ChosenTokenizer
from gptcli.commands.tokenize.token_stream import TokenBlock
from gptcli.data.source_text import STDIN
from gptcli.errors import UsageError
from gptcli.tokenization.incremental import IncrementalDecoder, Piece
from gptcli.tokenization.tokenizer import Tokenizer

_IN_MEMORY = 2**20  # bytes of stdin that need no temporary file
_BLOCK = 2**18  # bytes of listed ids read at a time
_LONGEST_ID = 19  # digits


@dataclass(frozen=True)
class DecodedIds:
    """A list of ids, and the text that a tokenizer decodes from it."""

    open_listing: Callable[[], IO[bytes]]
    chosen: ChosenTokenizer
    name: str = "--decode"

    def blocks(self) -> Iterator[TokenBlock]:
        """The ids and their text in the order of the list; UsageError for a wrong id."""
        yield from decode_blocks(self.chosen.tokenizer, listed_ids(self.open_listing()))

    def texts(self) -> Iterator[str]:
        """The text in whole characters."""
        return (block.text for block in self.blocks())


def listing(given: str, is_reread: bool, resources: ExitStack) -> Callable[[], IO[bytes]]:
    """A function that opens the list of ids, from the argument or from stdin.

    ``is_reread`` allows to open stdin more than once; ``resources`` closes the copy of it.
    """
    if given != STDIN:
        return lambda: io.BytesIO(given.encode("ascii", "backslashreplace"))
    if not is_reread:
        return lambda: sys.stdin.buffer
    spool = resources.enter_context(tempfile.SpooledTemporaryFile(_IN_MEMORY))  # noqa: SIM115
    shutil.copyfileobj(sys.stdin.buffer, spool)

    def rewound() -> IO[bytes]:
        spool.seek(0)
        return cast("IO[bytes]", spool)

    return rewound


def listed_ids(listing: IO[bytes]) -> Iterator[list[int]]:
    """The ids of "46 47 47" or "46,47,47", block by block; UsageError for any other word."""
    rest, is_empty = "", True
    while block := listing.read(_BLOCK):
        text = rest + block.decode("ascii", "backslashreplace").replace(",", " ")
        words = text.split()
        rest = words.pop() if words and not text[-1].isspace() else ""
        ids = _parsed([*words, rest] if len(rest) > _LONGEST_ID else words)
        if ids:
            is_empty = False
            yield ids
    if rest:
        yield _parsed([rest])
    elif is_empty:
        raise UsageError('--decode is empty: write --decode "46 47 47"')


def decode_blocks(tokenizer: Tokenizer, blocks: Iterable[list[int]]) -> Iterator[TokenBlock]:
    """Decode ids in pieces of whole characters; the text is that of decoding all at once."""
    decoder = IncrementalDecoder(tokenizer)
    for ids in blocks:
        yield from _block(decoder.feed(ids))
    yield from _block(decoder.finish())


def _parsed(words: list[str]) -> list[int]:
    for word in words:
        if not (word.isascii() and word.isdigit() and len(word) <= _LONGEST_ID):
            raise UsageError(f'--decode {word[:40]!r} is not a token id: write --decode "46 47 47"')
    return [int(word) for word in words]


def _block(piece: Piece) -> Iterator[TokenBlock]:
    if piece.ids:
        yield TokenBlock(piece.text, np.array(piece.ids))
