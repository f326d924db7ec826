"""Tokens as the user wants them: coloured, as bare ids, as JSON or as a page, of any length."""

import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gptcli.commands.tokenize.token_stream import Block, Counts, Stream
from gptcli.commands.view.legacy import check_out, deliver, results
from gptcli.commands.view.terminal import note

if TYPE_CHECKING:
    from rich.text import Text

    from gptcli.tokenization.tokenizer import Tokenizer

FORMATS = ("table", "json", "ids", "html")
_FILE_WIDTH = 100
_SHOWN = 1000  # tokens of a text that are worth colouring


@dataclass(frozen=True)
class Output:
    """Where a result goes, and in which of the FORMATS."""

    form: str = "table"
    out: Path | None = None
    overwrite: bool = False

    @property
    def width(self) -> int:
        """Columns of the terminal, or of a file."""
        return _FILE_WIDTH if self.out else shutil.get_terminal_size().columns

    @property
    def is_terminal(self) -> bool:
        """Whether a person sees it at once."""
        return self.out is None and sys.stdout.isatty()

    @property
    def is_coloured(self) -> bool:
        """Whether colours are wanted where it goes."""
        return self.is_terminal and not os.environ.get("NO_COLOR")

    def deliver(self, text: str) -> None:
        """Give a result that is at hand."""
        deliver(text, self.out, self.overwrite)

    def document(self, answer: dict[str, Any]) -> None:
        """Give a JSON document."""
        self.deliver(json.dumps(answer, indent=2, allow_nan=False))

    def draw(self, *drawings: "Text | str") -> None:
        """Give what has colours, on terminals that have them."""
        if self.out is None:
            console = results()
            for drawing in drawings:
                console.print(drawing, soft_wrap=True)
            return
        plain = (drawing if isinstance(drawing, str) else drawing.plain for drawing in drawings)
        text = "\n".join(line.rstrip() for text in plain for line in text.split("\n"))
        # A name may hold bytes that UTF-8 has no characters for.
        self.deliver(text.encode("utf-8", "backslashreplace").decode())

    def stream(self, chunks: Iterable[str]) -> None:
        """Give a result as it is made, of any size."""
        if self.out is None:
            for chunk in chunks:
                sys.stdout.write(chunk)
            sys.stdout.flush()
            return
        from gptcli.runtime.files import replace_file, reported

        check_out(self.out, self.overwrite)
        with reported(self.out):
            self.out.parent.mkdir(parents=True, exist_ok=True)
        replace_file(self.out, lambda temporary: _write(temporary, chunks))
        note(f"wrote {self.out}")


def give_stream(stream: Stream, output: Output) -> None:
    """Give the tokens of a text in the format asked for."""
    if output.form == "json":
        output.stream(_json_chunks(stream))
    elif output.form == "ids":
        output.stream(_id_chunks(stream))
    elif output.form == "html":
        from gptcli.commands.tokenize.token_page import token_page

        output.deliver(token_page(stream))
    else:
        _draw(stream, output)


def tokenizer_document(tokenizer: "Tokenizer", origin: str) -> dict[str, Any]:
    """What a JSON document says of a tokenizer."""
    return {
        "origin": origin,
        "kind": tokenizer.kind,
        "vocab_size": tokenizer.vocab_size,
        "identity": tokenizer.identity,
    }


def beginning(blocks: Iterable[Block], limit: int) -> tuple[list[int], Counts]:
    """The first ids of a text, at most ``limit``, and the counts of all of it."""
    ids: list[int] = []
    counts = Counts()
    for block in blocks:
        if len(ids) < limit:
            ids += block.ids[: limit - len(ids)].tolist()
        counts.add(block)
    return ids, counts


def counted(counts: Counts, tokenizer: "Tokenizer") -> str:
    """The counts in a line."""
    return (
        f"{counts.characters:,} characters, {counts.bytes:,} bytes, {counts.tokens:,} tokens, "
        f"{counts.bytes_per_token or 0:.2f} bytes per token, "
        f"vocabulary {tokenizer.vocab_size:,} ({tokenizer.kind})"
    )


def _draw(stream: Stream, output: Output) -> None:
    from gptcli.commands.tokenize.token_view import token_view
    from gptcli.tokenization.vocabulary import Vocabulary

    ids, counts = beginning(stream.blocks(), _SHOWN)
    book = Vocabulary(stream.tokenizer)
    view = token_view([book.entry(number) for number in ids], output.width)
    output.draw(view, counted(counts, stream.tokenizer))
    if len(ids) < counts.tokens:
        note(f"the first {len(ids):,} of {counts.tokens:,} tokens are shown: --ids prints all")


def _id_chunks(stream: Stream) -> Iterator[str]:
    return chain(_joined(_numbers(stream, Counts()), " "), "\n")


def _json_chunks(stream: Stream) -> Iterator[str]:
    """One document, in as many passes as it has long parts."""
    counts = Counts()
    about = tokenizer_document(stream.tokenizer, stream.origin)
    yield f'{{"schema": "gptcli.tokens/1", "tokenizer": {json.dumps(about)}, "ids": ['
    yield from _joined(_numbers(stream, counts), ", ")
    yield '], "pieces": ['
    yield from _joined(_pieces(stream), ", ")
    yield '], "text": "'
    for text in stream.texts():
        yield json.dumps(text)[1:-1]
    numbers = {
        "characters": counts.characters,
        "bytes": counts.bytes,
        "tokens": counts.tokens,
        "bytes_per_token": counts.bytes_per_token,
    }
    yield f'", {json.dumps(numbers)[1:]}\n'


def _numbers(stream: Stream, counts: Counts) -> Iterator[Iterator[str]]:
    """The ids of each block, written; they are added to ``counts``."""
    written = [str(number) for number in range(stream.tokenizer.vocab_size)]
    for block in stream.blocks():
        counts.add(block)
        yield map(written.__getitem__, block.ids.tolist())


def _pieces(stream: Stream) -> Iterator[Iterator[str]]:
    from gptcli.tokenization.vocabulary import Vocabulary

    book, known = Vocabulary(stream.tokenizer), dict[int, str]()
    for block in stream.blocks():
        ids = block.ids.tolist()
        for number in set(ids) - known.keys():
            known[number] = json.dumps(book.entry(number).text)
        yield map(known.__getitem__, ids)


def _joined(groups: Iterable[Iterable[str]], separator: str) -> Iterator[str]:
    """All words of all groups with ``separator`` between any two, a chunk for each group."""
    lead = ""
    for group in groups:
        if words := separator.join(group):
            yield lead + words
            lead = separator


def _write(path: Path, chunks: Iterable[str]) -> None:
    with path.open("x", encoding="utf-8", newline="") as file:
        file.writelines(chunks)
