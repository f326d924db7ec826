"""``--compare``: the vocabularies of tokenizers, and the lengths of a text in their tokens."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from rich.cells import cell_len
from rich.text import Text

from gptcli.commands.tokenize.chosen_tokenizer import ChosenTokenizer, named_tokenizer
from gptcli.commands.tokenize.text_source import TextSource
from gptcli.commands.tokenize.token_stream import EncodedText
from gptcli.commands.view.answer import Answer, Document
from gptcli.commands.view.bars import bar
from gptcli.commands.view.canvas import Canvas, clipped
from gptcli.commands.view.table_layout import to_text
from gptcli.commands.view.tables import Figure, Share, Table, facts
from gptcli.commands.view.terminal import escape_controls
from gptcli.tokenization.usage import Usage, measure_usage
from gptcli.tokenization.vocabulary import VocabularyEntry

_WIDEST_BAR = 50
_WIDEST_NAME = 24
_COLUMNS = ("tokenizer", "vocabulary", "tokens", "bytes/token", "used")
_CSV_COLUMNS = ("tokenizer", "vocabulary", "tokens", "bytes_per_token", "used")
_SPARE = ("used", "bytes/token")


@dataclass(frozen=True)
class ComparedTokenizer:
    """One tokenizer of the comparison, and its use for the text."""

    name: str
    chosen: ChosenTokenizer
    usage: Usage

    @property
    def vocab_size(self) -> int:
        """The size of its vocabulary."""
        return self.chosen.tokenizer.vocab_size

    @property
    def used_share(self) -> float:
        """The share of the vocabulary that occurs in the text."""
        return self.usage.n_used / self.vocab_size


@dataclass
class TextSize:
    """The size of the text, which is known after it has been read."""

    characters: int = 0
    bytes: int = 0


def compare(names: Sequence[str], pattern: str | None, source: TextSource) -> Answer:
    """Encode a text with each tokenizer, and compare the results."""
    sides, size = [], TextSize()
    for name in names:
        chosen = named_tokenizer(name, pattern, source)
        size = TextSize()
        usage = measure_usage(chosen.tokenizer, _ids(EncodedText(source, chosen), size))
        sides.append(ComparedTokenizer(name, chosen, usage))
    title = f"{source.name}: {size.characters:,} characters, {size.bytes:,} bytes"
    longest = facts(
        "longest tokens in it",
        [(_short(side.name), longest_labels(side.chosen, side.usage.longest)) for side in sides],
    )
    table = _table(title, sides, size, _short)
    return Answer(
        "gptcli.comparison/1",
        lambda: _document(source.name, size, sides),
        [table, longest],
        csv=replace(_table("", sides, size, str), columns=_CSV_COLUMNS),
        drawing=lambda canvas: _drawing(canvas, table, longest, sides),
    )


def longest_labels(chosen: ChosenTokenizer, longest: Iterable[VocabularyEntry]) -> str:
    """The longest tokens; in words for kinds whose tokens all have the same length."""
    same = {"char": "one character each", "byte": "one byte each"}.get(chosen.tokenizer.kind)
    return same or " ".join(entry.label for entry in longest)


def _ids(stream: EncodedText, size: TextSize) -> Iterator[NDArray[Any]]:
    for texts, arrays in stream.arrays():
        size.characters += sum(map(len, texts))
        size.bytes += sum(len(text.encode()) for text in texts)
        yield from arrays


def _document(name: str, size: TextSize, sides: Sequence[ComparedTokenizer]) -> Document:
    return {
        "text": {"name": name, "characters": size.characters, "bytes": size.bytes},
        "tokenizers": [_side_document(side, size) for side in sides],
    }


def _side_document(side: ComparedTokenizer, size: TextSize) -> Document:
    n_tokens = side.usage.n_tokens
    return {
        "name": side.name,
        **side.chosen.document(),
        "tokens": n_tokens,
        "bytes_per_token": size.bytes / n_tokens if n_tokens else None,
        "used": side.usage.n_used,
        "used_share": side.used_share,
        "longest": [{"id": entry.number, "piece": entry.text} for entry in side.usage.longest],
    }


def _table(
    title: str, sides: Sequence[ComparedTokenizer], size: TextSize, label: Callable[[str], str]
) -> Table:
    rows = []
    for side in sides:
        n_tokens = side.usage.n_tokens
        ratio = size.bytes / max(n_tokens, 1)
        counts = (side.vocab_size, n_tokens, Figure(ratio, f"{ratio:.2f}"))
        rows.append((label(side.name), *counts, Share(side.used_share)))
    return Table(title, _COLUMNS, tuple(rows), _SPARE)


def _drawing(
    canvas: Canvas, table: Table, longest: Table, sides: Sequence[ComparedTokenizer]
) -> Iterator[Text | str]:
    """The table, two charts, and the longest tokens."""
    tokens = [side.usage.n_tokens for side in sides]
    sizes = [side.vocab_size for side in sides]
    logarithms = [math.log(max(size, 2)) for size in sizes]
    names = [_short(side.name) for side in sides]
    yield to_text([table], canvas.width, canvas.in_colour)
    yield _chart("tokens for this text", names, tokens, tokens, canvas.width)
    yield _chart("vocabulary (logarithmic)", names, logarithms, sizes, canvas.width)
    yield to_text([longest], canvas.width, canvas.in_colour).removesuffix("\n")


def _chart(
    title: str, names: Sequence[str], lengths: Sequence[float], shown: Sequence[int], width: int
) -> Text:
    """A bar for each name, followed by its figure."""
    widest = max(map(cell_len, names))
    figures = [f"{number:,}" for number in shown]
    room = width - widest - max(map(len, figures)) - 2
    room = max(min(room, _WIDEST_BAR), 1)
    largest = max(*lengths, 1.0)
    chart = Text().append(f"{title}\n", "bold")
    for name, length, figure in zip(names, lengths, figures, strict=True):
        drawn = bar(length / largest, room) or bar(1 / 8, 1)  # never quite empty
        chart.append(name + " " * (widest - cell_len(name) + 1))
        chart.append(drawn, "cyan").append(f" {figure}\n")
    return chart


def _short(name: str) -> str:
    """The name; of a long path its last part."""
    whole = escape_controls(name)
    shown = whole if cell_len(whole) <= _WIDEST_NAME else escape_controls(Path(name).name)
    return clipped(shown, _WIDEST_NAME)
