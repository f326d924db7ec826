"""The first pass over a corpus, which measures and checks it before anything is written."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from gptcli.data.corpus.chunks import Chunk, Parsed, Problem, Reader
from gptcli.data.preparation.unasked import UnaskedSigns, UnaskedTotals, unasked_signs
from gptcli.errors import DataError
from gptcli.runtime.progress import Advance, no_progress
from gptcli.runtime.threads import ordered_map

_CODE_POINTS = 0x110000
_Item = tuple[int, Reader, Chunk]


@dataclass(frozen=True)
class Mark:
    """The start of a chunk: its input, its offset, and the number of characters before it."""

    input: int
    offset: int
    characters_before: int


@dataclass(frozen=True)
class Scan:
    """The size of a corpus in every unit, and the sha256 of its bytes.

    For several inputs, ``sha256`` is the hash of their hashes. ``replaced`` counts sequences that
    were not UTF-8, ``bad`` the records left out; ``alphabet`` is empty unless it was asked for.
    """

    title: str
    characters: int
    bytes: int
    documents: int
    sha256: str
    replaced: int
    bad: int
    is_masked: bool
    alphabet: str
    marks: tuple[Mark, ...] = field(repr=False)


@dataclass(frozen=True)
class _Tally:
    input: int
    offset: int
    characters: int
    bytes: int
    starts: int
    is_masked: bool
    has_text: bool
    signs: UnaskedSigns
    parsed: Parsed


def scan_corpus(
    title: str,
    readers: Sequence[Reader],
    *,
    skip_bad: int = 0,
    with_alphabet: bool = False,
    advance: Advance = no_progress,
    note: Callable[[str], None] = lambda _: None,
) -> Scan:
    """Read the corpus once, and measure it; ``note`` is told of what becomes tokens unasked.

    Raises DataError where there is no text, where more than ``skip_bad`` records are bad, or
    where bytes are not UTF-8 and may not be replaced.
    """
    hashes = [hashlib.sha256() for _ in readers]
    seen = np.zeros(_CODE_POINTS, dtype=bool) if with_alphabet else None
    totals = _Totals(title, readers, skip_bad)

    def tally(item: _Item) -> _Tally:
        return _tally(item, seen)

    def items() -> Iterator[_Item]:
        for number, reader in enumerate(readers):
            for chunk in reader.chunks():
                hashes[number].update(_hashed(chunk))
                yield number, reader, chunk
                advance(chunk.n_bytes)

    unasked = UnaskedTotals(readers)
    # One thread beside this one, which reads: decoding holds the interpreter lock.
    for result in ordered_map(tally, items(), workers=1):
        totals.add(result)
        unasked.add(result.input, result.signs)
    alphabet = "" if seen is None else "".join(map(chr, np.flatnonzero(seen).tolist()))
    scan = totals.scan(_combined([one.hexdigest() for one in hashes]), alphabet)
    unasked.tell(note)
    return scan


class _Totals:
    def __init__(self, title: str, readers: Sequence[Reader], skip_bad: int) -> None:
        self._title = title
        self._readers = readers
        self._skip_bad = skip_bad
        self._marks: list[Mark] = []
        self._characters = self._bytes = self._documents = self._replaced = self._bad = 0
        self._is_masked = self._has_text = False

    def add(self, tally: _Tally) -> None:
        self._marks.append(Mark(tally.input, tally.offset, self._characters))
        self._characters += tally.characters
        self._bytes += tally.bytes
        self._documents += tally.starts
        self._replaced += tally.parsed.n_replaced
        self._is_masked |= tally.is_masked
        self._has_text |= tally.has_text
        for problem in tally.parsed.problems:
            self._bad += 1
            if self._bad > self._skip_bad:
                self._refuse(self._readers[tally.input], problem)

    def _refuse(self, reader: Reader, problem: Problem) -> None:
        skip = f", or leave out bad records with --skip-bad {max(10, 10 * self._bad)}"
        raise DataError(
            f"{reader.source.name}, {reader.place(problem.offset)}: {problem.reason}: "
            f"correct it{skip if self._documents else ''}"
        )

    def scan(self, sha256: str, alphabet: str) -> Scan:
        if not self._has_text:
            what = "holds only white space" if self._characters else "is empty"
            raise DataError(f"{self._title} {what}: give some text")
        return Scan(
            title=self._title,
            characters=self._characters,
            bytes=self._bytes,
            documents=self._documents,
            sha256=sha256,
            replaced=self._replaced,
            bad=self._bad,
            is_masked=self._is_masked,
            alphabet=alphabet,
            marks=tuple(self._marks),
        )


def _tally(item: _Item, seen: "np.ndarray[tuple[int], np.dtype[np.bool_]] | None") -> _Tally:
    number, reader, chunk = item
    parsed = reader.parse(chunk)
    parts = [part for document in parsed.documents for part in document.parts]
    texts = [part.text for part in parts if not part.special]
    if seen is not None:
        for text in texts:
            _mark_characters(text, seen)
    return _Tally(
        input=number,
        offset=chunk.offset,
        characters=sum(map(len, texts)),
        bytes=sum(map(_utf8_length, texts)),
        starts=sum(one.is_start and one.has_text for one in parsed.documents),
        is_masked=not all(part.target == 1 for part in parts),
        signs=unasked_signs(parsed.documents),
        has_text=any(text and not text.isspace() for text in texts),
        parsed=Parsed((), parsed.problems, parsed.n_replaced),
    )


def _hashed(chunk: Chunk) -> bytes:
    content = chunk.content
    return content if isinstance(content, bytes) else b"\0".join(row or b"" for row in content)


def _mark_characters(text: str, seen: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> None:
    if text.isascii():
        known = np.flatnonzero(seen[:128]).astype(np.uint8).tobytes()
        new = text.encode("ascii").translate(None, delete=known)  # soon nothing is left
        seen[np.frombuffer(new, dtype=np.uint8)] = True
    else:
        seen[np.frombuffer(text.encode("utf-32-le"), dtype="<u4")] = True


def _utf8_length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8"))


def _combined(digests: Sequence[str]) -> str:
    return (
        digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    )
