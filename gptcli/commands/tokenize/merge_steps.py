"""``--merges``: how byte-pair encoding builds a word, one merge after another."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.text import Text

from gptcli.commands.tokenize.output import Output, tokenizer_document
from gptcli.commands.tokenize.token_view import COLOURS, QUIET_COLOUR, append_wrapped, token_view
from gptcli.errors import UsageError
from gptcli.tokenization.merges import MergeStep, merge_steps
from gptcli.tokenization.vocabulary import Vocabulary

if TYPE_CHECKING:
    from gptcli.tokenization.tokenizer import Tokenizer

_HEADER = ("step", "rank", "pair")
_GAP = 2
_WIDE = 60  # columns from which on there is room for the pair


def show_merges(tokenizer: "Tokenizer", origin: str, word: str, output: Output) -> None:
    """Give every step from the characters (or bytes) of ``word`` to its tokens."""
    if not word:
        raise UsageError('--merges needs a word: try --merges "there"')
    steps = merge_steps(tokenizer, word)
    if output.form == "json":
        output.document(_document(tokenizer, origin, word, steps))
    else:
        book = Vocabulary(tokenizer)
        tokens = [book.entry(number) for number in _ids(steps)]
        result = token_view(tokens, output.width)
        result.rstrip()
        output.draw(_table(steps, output.width), "", result)


def _document(
    tokenizer: "Tokenizer", origin: str, word: str, steps: Sequence[MergeStep]
) -> dict[str, Any]:
    return {
        "schema": "gptcli.merges/1",
        "tokenizer": tokenizer_document(tokenizer, origin),
        "word": word,
        "ids": _ids(steps),
        "steps": [
            {
                "part": step.part,
                "pair": step.pair,
                "rank": step.rank,
                "pieces": step.pieces,
                "ids": step.ids,
            }
            for step in steps
        ],
    }


def _table(steps: Sequence[MergeStep], width: int) -> Text:
    """The pieces after each merge; the one that it made is coloured."""
    starts = [_HEADER, *_starts(steps)]
    if width < _WIDE:
        starts = [start[:-1] for start in starts]
    sizes = [max(map(cell_len, column)) for column in zip(*starts, strict=True)]
    indent = sum(sizes) + _GAP * len(sizes)
    table = Text().append(_aligned(starts[0], sizes) + "pieces", QUIET_COLOUR)
    for before, step, start in zip([None, *steps], steps, starts[1:], strict=False):
        table.append("\n" + _aligned(start, sizes), "none")
        is_merge = before is not None and before.part == step.part
        styles = _styles(before.pieces if before and is_merge else step.pieces, step.pieces)
        append_wrapped(table, step.pieces, indent, width, styles)
    return table


def _starts(steps: Sequence[MergeStep]) -> list[tuple[str, ...]]:
    """What stands before the pieces: number, rank and pair of each merge."""
    starts: list[tuple[str, ...]] = []
    number = 0
    for before, step in zip([None, *steps], steps, strict=False):
        is_first = before is None or before.part != step.part
        number += not is_first
        rank = "" if step.rank is None else f"{step.rank:,}"
        starts.append(("" if is_first else str(number), rank, " + ".join(step.pair or ())))
    return starts


def _aligned(start: Sequence[str], sizes: Sequence[int]) -> str:
    """Numbers to the right, the pair to the left."""
    cells = [cell.rjust(size) for cell, size in zip(start[:2], sizes, strict=False)]
    cells += [
        cell + " " * (size - cell_len(cell))
        for cell, size in zip(start[2:], sizes[2:], strict=True)
    ]
    return "".join(cell + " " * _GAP for cell in cells)


def _styles(before: Sequence[str], after: Sequence[str]) -> list[str]:
    """A colour for the first piece that differs: the one that a merge made."""
    same = 0
    while same < len(after) and before[same] == after[same]:
        same += 1
    return [COLOURS[1] if index == same else "none" for index in range(len(after))]


def _ids(steps: Sequence[MergeStep]) -> list[int]:
    """What is left when each part of the word is done."""
    last = {step.part: step.ids for step in steps}
    return [number for ids in last.values() for number in ids]
