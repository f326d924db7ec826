"""Signs in a text that become tokens unasked: a byte order mark, carriage returns, separators."""

import re
import shlex
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gptcli.config.checks import counted
from gptcli.data.corpus.chunks import Document, Reader
from gptcli.data.corpus.compression import Compression
from gptcli.data.corpus.inputs import DocumentLayout, TextInput
from gptcli.data.corpus.sources import BUILT_IN_SOURCES
from gptcli.tokenization.tokenizer import ENDS_OF_TEXT

_MARK = "\ufeff"
_SEPARATORS = re.compile("|".join(map(re.escape, ENDS_OF_TEXT)))
_LONGEST = max(map(len, ENDS_OF_TEXT)) - 1  # of a separator that a boundary divides


@dataclass(frozen=True)
class UnaskedSigns:
    """How often the signs occur in a chunk, and its edges, where a separator may be divided."""

    has_mark: bool
    returns: int
    line_ends: int
    separators: Counter[str]
    head: str
    tail: str


def unasked_signs(documents: Sequence[Document]) -> UnaskedSigns:
    """Count the signs in the documents of a chunk."""
    texts = [text for document in documents for text in document.texts]
    return UnaskedSigns(
        has_mark=any(one.is_start and one.parts[0].text.startswith(_MARK) for one in documents),
        # Looking for one character first costs next to nothing, where there is none.
        returns=sum(text.count("\r") for text in texts if "\r" in text),
        line_ends=sum(text.count("\r\n") for text in texts if "\r" in text),
        separators=Counter(
            name for text in texts if "<" in text for name in _SEPARATORS.findall(text)
        ),
        head=texts[0][:_LONGEST] if texts else "",
        tail=texts[-1][-_LONGEST:] if texts else "",
    )


class _OfInput:
    """The counts of one input."""

    def __init__(self, source: TextInput) -> None:
        self.source = source
        self.has_mark = False
        self.returns = self.line_ends = 0
        self.separators: Counter[str] = Counter()
        self._tail = ""

    def add(self, signs: UnaskedSigns) -> None:
        seam = self._tail + signs.head if self.source.layout is DocumentLayout.TEXT else ""
        self.separators += signs.separators
        # What is found here, but neither in this chunk nor in the one before.
        for name in _SEPARATORS.findall(seam):
            self.separators[name] += 1
        for edge in (self._tail, signs.head) if seam else ():
            self.separators.subtract(_SEPARATORS.findall(edge))
        self.has_mark |= signs.has_mark
        self.returns += signs.returns
        self.line_ends += signs.line_ends
        self._tail = signs.tail


class UnaskedTotals:
    """Adds up the signs of a corpus, and tells of them once."""

    def __init__(self, readers: Sequence[Reader]) -> None:
        self._inputs = [_OfInput(reader.source) for reader in readers]

    def add(self, number: int, signs: UnaskedSigns) -> None:
        """Add the signs of a chunk of input ``number``; chunks come in their order."""
        self._inputs[number].add(signs)

    def tell(self, note: Callable[[str], None]) -> None:
        """Note what there is, and how to do without; nothing about the built-in sources."""
        foreign = [one for one in self._inputs if one.source.name not in BUILT_IN_SOURCES]
        if marked := [one for one in foreign if one.has_mark or one.returns]:
            note(_line_end_note(marked))
        for name in ENDS_OF_TEXT:
            if spelt := [one for one in foreign if one.separators[name]]:
                note(_separator_note(name, sum(one.separators[name] for one in spelt), spelt))


def _line_end_note(inputs: Sequence[_OfInput]) -> str:
    what = []
    if any(one.has_mark for one in inputs):
        what.append("a byte order mark (U+FEFF)")
    if returns := sum(one.returns for one in inputs):
        what.append(f"{counted(returns, 'carriage return')} (U+000D)")
    become = "become tokens" if len(what) > 1 or returns > 1 else "becomes a token"
    first = inputs[0]
    remedy = "remove them from the text, if a model should not write them"
    if len(inputs) == 1 and _is_plain(first.source):
        remedy = f"to drop {'it' if become.endswith('token') else 'them'}, {_command(first)}"
    return f"{_names(inputs)} {' and '.join(what)} in the text, which {become}: {remedy}"


def _command(one: _OfInput) -> str:
    name = shlex.quote(one.source.name)
    # Where a carriage return alone ends a line it becomes a newline.
    drop = r"tr -d '\r'" if 2 * one.line_ends >= one.returns else r"tr '\r' '\n'"
    if not one.has_mark:
        return f"{drop} < {name} > clean.txt"
    return f"tail -c +4 {name}{f' | {drop}' if one.returns else ''} > clean.txt"


def _separator_note(name: str, count: int, inputs: Sequence[_OfInput]) -> str:
    times = "once" if count == 1 else f"{count:,} times"
    is_text = any(one.source.layout is DocumentLayout.TEXT for one in inputs)
    remedy = f"; to divide the text there into documents: --split-on {shlex.quote(name)}"
    return (
        f"{_names(inputs)} {name} written out {times}, which stays plain text and ends no document"
        f"{remedy if is_text else ''}"
    )


def _names(inputs: Sequence[_OfInput]) -> str:
    first, others = inputs[0].source.name, len(inputs) - 1
    if not others:
        return f"{first} has"
    return f"{first} and {counted(others, 'other file')} have"


def _is_plain(source: TextInput) -> bool:
    is_text = source.layout is DocumentLayout.TEXT and source.compression is Compression.NONE
    return is_text and Path(source.name).absolute() == source.path  # not the copy of a pipe
