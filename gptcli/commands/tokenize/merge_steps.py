"""``--merges``: how byte-pair encoding builds a word, one merge after another."""

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.text import Text

from gptcli.commands.tokenize.chosen_tokenizer import ChosenTokenizer
from gptcli.commands.tokenize.token_view import COLOURS, token_view
from gptcli.commands.view.answer import Answer, Document
from gptcli.commands.view.canvas import Canvas, clipped
from gptcli.commands.view.drawing import SECONDARY
from gptcli.commands.view.tables import Cell, Figure, Table
from gptcli.tokenization.merges import MergeStep, merge_steps
from gptcli.tokenization.vocabulary import Vocabulary, VocabularyEntry

_COLUMNS = ("step", "rank", "pair", "pieces")
_GAP = 2
_WIDE = 60  # cells; a narrower terminal shows no pairs


def show_merges(chosen: ChosenTokenizer, word: str) -> Answer:
    """Every step from the characters (or bytes) of ``word`` to its tokens."""
    steps = merge_steps(chosen.tokenizer, word)
    vocabulary = Vocabulary(chosen.tokenizer)
    tokens = [vocabulary.entry(number) for number in _ids(steps)]
    return Answer(
        "gptcli.merges/1",
        lambda: _document(chosen, word, steps),
        [_table(steps)],
        drawing=lambda canvas: _drawing(canvas, steps, tokens),
    )


def _document(chosen: ChosenTokenizer, word: str, steps: Sequence[MergeStep]) -> Document:
    return {
        "tokenizer": chosen.document(),
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


def _table(steps: Sequence[MergeStep]) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (number, Figure(step.rank, rank), pair, " ".join(step.pieces))
        for step, (number, rank, pair) in zip(steps, _starts(steps), strict=True)
    ]
    return Table("", _COLUMNS, tuple(rows))


def _drawing(
    canvas: Canvas, steps: Sequence[MergeStep], tokens: Sequence[VocabularyEntry]
) -> Iterator[Text | str]:
    """The pieces after each merge, with the new one coloured, then the tokens of the word."""
    starts: list[tuple[str, ...]] = [_COLUMNS[:-1], *_starts(steps)]
    if canvas.width < _WIDE:
        starts = [start[:-1] for start in starts]
    sizes = [max(map(cell_len, column)) for column in zip(*starts, strict=True)]
    indent = sum(sizes) + _GAP * len(sizes)
    yield Text(_aligned(starts[0], sizes) + _COLUMNS[-1], SECONDARY)
    for before, step, start in zip([None, *steps], steps, starts[1:], strict=False):
        line = Text(_aligned(start, sizes))
        is_merge = before is not None and before.part == step.part
        styles = _styles(before.pieces if before and is_merge else step.pieces, step.pieces)
        append_wrapped(line, step.pieces, indent, canvas.width, styles)
        yield line
    yield ""
    result = token_view(tokens, canvas.width)
    result.rstrip()
    yield result


def append_wrapped(
    text: Text, labels: Sequence[str], indent: int, width: int, styles: Sequence[str] = ("none",)
) -> None:
    """Append labels to a line of ``indent`` cells; further lines are indented as much."""
    used = indent
    for index, label in enumerate(labels):
        shown = clipped(label, max(width - indent, 2))
        if used > indent and used + 1 + cell_len(shown) > width:
            text.append("\n" + " " * indent)
            used = indent
        elif used > indent:
            text.append(" ")
            used += 1
        text.append(shown, styles[index % len(styles)])
        used += cell_len(shown)


def _starts(steps: Sequence[MergeStep]) -> list[tuple[str, str, str]]:
    """The columns before the pieces: number, rank and pair of each merge."""
    starts: list[tuple[str, str, str]] = []
    number = 0
    for before, step in zip([None, *steps], steps, strict=False):
        is_first = before is None or before.part != step.part
        number += not is_first
        rank = "" if step.rank is None else f"{step.rank:,}"
        starts.append(("" if is_first else str(number), rank, " + ".join(step.pair or ())))
    return starts


def _aligned(start: Sequence[str], sizes: Sequence[int]) -> str:
    """The columns before the pieces as text: numbers right-aligned, the pair left-aligned."""
    cells = [cell.rjust(size) for cell, size in zip(start[:2], sizes, strict=False)]
    cells += [
        cell + " " * (size - cell_len(cell))
        for cell, size in zip(start[2:], sizes[2:], strict=True)
    ]
    return "".join(cell + " " * _GAP for cell in cells)


def _styles(before: Sequence[str], after: Sequence[str]) -> list[str]:
    """The style of each piece: a colour for the first that differs, the merged one."""
    same = 0
    while same < len(after) and before[same] == after[same]:
        same += 1
    return [COLOURS[1] if index == same else "none" for index in range(len(after))]


def _ids(steps: Sequence[MergeStep]) -> list[int]:
    """The ids of the word: those after the last step of each part."""
    last = {step.part: step.ids for step in steps}
    return [number for ids in last.values() for number in ids]
