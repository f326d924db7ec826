"""The first training document of a dataset, as a model sees it, with what it learns made plain."""

from collections.abc import Iterator
from itertools import groupby

from rich.text import Text

from gptcli.commands.view.canvas import Canvas
from gptcli.commands.view.drawing import heading, style
from gptcli.commands.view.terminal import escape_controls
from gptcli.data.dataset import Dataset

_MOST_TOKENS = 2000
_STYLES = {0: "none", 1: "bold", 2: "strike"}
_SIGNS = {0: ("", ""), 1: ("[+", "+]"), 2: ("[-", "-]")}  # where nothing can be bold


def first_document(dataset: Dataset, canvas: Canvas) -> Iterator[Text | str]:
    """Its title and its text; nothing where there is no mask, or no document."""
    split = dataset.train
    if not split.is_masked or not len(split.document_starts):
        return
    ends = [*split.document_starts[1:2].tolist(), split.n_tokens]
    shown = min(ends[0], _MOST_TOKENS)
    learnt, rejected = ("bold", "struck") if canvas.in_colour else ("[+...+]", "[-...-]")
    also = f", the rejected answer {rejected}" if dataset.record.pairs else ""
    yield from heading(
        canvas, f"The first training document (what counts in the loss is {learnt}{also})"
    )
    ids, marks = split.read(0, shown).tolist(), split.read_marks(0, shown).tolist()
    text = Text()
    for mark, run in groupby(zip(ids, marks, strict=True), key=lambda pair: pair[1]):
        piece = escape_controls(dataset.tokenizer.decode([number for number, _ in run]))
        before, behind = ("", "") if canvas.in_colour else _SIGNS[mark]
        text.append(before + piece + behind, style(canvas, _STYLES[mark]))
    if shown < ends[0]:
        text.append(f" ... ({ends[0] - shown:,} more tokens)")
    yield text
