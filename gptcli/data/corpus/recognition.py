"""Looking into inputs before they are read: what they hold that their names do not say."""

import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from gptcli.config.checks import counted
from gptcli.config.data import ReadOptions
from gptcli.data.corpus.finding import write_copy
from gptcli.data.corpus.inputs import (
    Corpus,
    DocumentLayout,
    TextInput,
    input_at,
    without_compression,
)
from gptcli.data.corpus.json_values import JsonValues
from gptcli.data.corpus.records import record_kind
from gptcli.data.encodings import START_BYTES, refuse_other_than_text, refuse_pointer
from gptcli.errors import DataError, ResourceError, UsageError
from gptcli.runtime.progress import Advance, Watch

_PEEK = 2**20  # bytes
_LONGEST_DOCUMENT = 2**24  # characters, so that its record is not too long to be read
_COPY = "records"  # the name of a copy: it is not compressed


class RecordForm(Enum):
    """How records stand in a file of JSON: an object a line, or values over several lines."""

    LINES = "lines"
    VALUES = "values"


def look_into(
    corpus: Corpus,
    sources: Sequence[str],
    options: ReadOptions,
    spool: Path,
    watch: Watch,
    *,
    in_streams: bool = True,
) -> Corpus:
    """Recognize records whose name does not say so, and refuse what is no text.

    A .json file, stdin or a pipe with objects of JSON, one a line, in an array or in a row, is
    read as .jsonl is. Of a directory or a glob only files with records whose text is known are
    meant. Arrays, and texts that ``options.split_on`` divides into documents, are copied into
    the directory ``spool`` as one record a line. ``in_streams`` False takes stdin and pipes as
    they come.

    Raises DataError for a git-lfs pointer, for UTF-16 and for JSON that is damaged, UsageError
    where an option has no effect on any of the inputs.
    """
    looking = _Looking(frozenset(sources), options, spool, watch, in_streams)
    inputs = tuple(looking.at(number, source) for number, source in enumerate(corpus.inputs))
    looking.report()
    has_records = any(one.layout is not DocumentLayout.TEXT for one in inputs)
    if options.field is not None and not has_records:
        raise UsageError(
            f"--field {options.field} has no effect: {corpus.title} is plain text. Leave it out, "
            "or give records in .jsonl, .json or .parquet"
        )
    return replace(corpus, inputs=inputs, is_collection=corpus.is_collection or has_records)


class _Looking:
    def __init__(
        self,
        sources: frozenset[str],
        options: ReadOptions,
        spool: Path,
        watch: Watch,
        in_streams: bool,
    ) -> None:
        self._in_streams = in_streams
        self._sources, self._options, self._spool, self._watch = sources, options, spool, watch
        self._plain: list[str] = []  # .json files without records
        self._n_divided = self._n_texts = 0

    def at(self, number: int, source: TextInput) -> TextInput:
        """The input as it is to be read."""
        _refuse_pointer(source)
        if source.layout is DocumentLayout.PARQUET:
            return source
        with source.open() as file:
            refuse_other_than_text(source.name, file.read(START_BYTES))
        if source.layout is DocumentLayout.TEXT:
            source = self._recognized(number, source)
        if source.layout is DocumentLayout.TEXT and self._options.split_on is not None:
            return self._divided(number, source, self._options.split_on)
        return source

    def report(self) -> None:
        """Note the .json files that are plain text; UsageError where no text was divided."""
        if self._plain:
            first, count = self._plain[0], len(self._plain)
            what = f"{first} is" if count == 1 else f"{counted(count, 'file')}, as {first}, are"
            self._watch.note(
                f"{what} read as plain text: no records (objects "
                "in an array, or one a line) whose text is known: --field names it"
            )
        if self._options.split_on is not None and not self._n_divided:
            where = "no text in the sources has it" if self._n_texts else "no source is plain text"
            raise UsageError(
                f"--split-on {self._options.split_on!r} has no effect, {where}: leave it out"
            )

    def _recognized(self, number: int, source: TextInput) -> TextInput:
        is_json = _is_named_json(source)
        is_stream = source.path.is_relative_to(self._spool.absolute())
        if not (is_json or (is_stream and self._in_streams)):
            return source
        is_meant = is_stream or source.name in self._sources
        with source.open() as file:
            start = file.read(_PEEK)
        form = record_form(start, self._options.field, is_named=is_json, is_meant=is_meant)
        if form is None:
            if is_json:
                self._plain.append(source.name)
            return source
        if not is_json:
            self._watch.note(f"{source.name} holds JSON records: it is read like .jsonl")
        if form is RecordForm.LINES:
            return replace(source, layout=DocumentLayout.JSONL)
        return self._copied(number, source, lambda file: iter(JsonValues(file, source.name)))

    def _divided(self, number: int, source: TextInput, separator: str) -> TextInput:
        """The documents of a text as records; the text itself, where it has no separator."""
        self._n_texts += 1
        found = 0

        def records(file: io.TextIOWrapper) -> Iterator[str]:
            nonlocal found
            for document in split_documents(file, separator, source.name):
                found += 1
                # A byte that is not UTF-8 stays one: the reader decides about it.
                yield json.dumps({"text": document}, ensure_ascii=False)

        copied = self._copied(number, source, records)
        self._n_divided += found > 1
        return copied

    def _copied(
        self, number: int, source: TextInput, records: Callable[[io.TextIOWrapper], Iterator[str]]
    ) -> TextInput:
        copy = self._spool / f"records-{number:06}"

        def write(file: BinaryIO, advance: Advance) -> None:
            with source.open() as opened:
                text = io.TextIOWrapper(opened, "utf-8", "surrogateescape", newline="")
                for record in records(text):
                    line = f"{record}\n".encode("utf-8", "surrogateescape")
                    file.write(line)
                    advance(len(line))

        with self._watch.stage(f"reading {source.name}", source.expected_bytes()) as advance:
            write_copy(copy, lambda file: write(file, advance))
        source.check_unchanged()
        return replace(input_at(source.name, copy, _COPY), layout=DocumentLayout.JSON)


@dataclass(frozen=True)
class _FirstValue:
    """The first value of a file (None where it is too long to know), and what follows it."""

    value: Any
    following: str


def record_form(
    start: bytes, field: str | None, *, is_named: bool, is_meant: bool
) -> RecordForm | None:
    """Tell from the first MiB of a file in which form it holds records; None where it is text.

    ``is_named``: whether its name says that it is JSON; ``is_meant``: whether the user named
    the file itself, so that several objects are records even if none has a known text.
    """
    text = start.decode("utf-8", "surrogateescape").removeprefix("\ufeff").lstrip()
    is_cut = len(start) == _PEEK
    is_array = text.startswith("[")
    values = text[1:].lstrip() if is_array else text
    if not values.startswith("{"):
        return None
    line, newline, _ = values.partition("\n")
    if is_cut and not newline and not is_array:  # one record may be a whole book
        return RecordForm.LINES
    first = _first_value(values)
    if first is None:
        return RecordForm.VALUES if is_array and is_cut and is_named else None
    has_text = record_kind(first.value, field) is not None
    has_more = is_array or first.following.lstrip().startswith("{")
    if not has_text and not (has_more and is_meant):
        return None
    is_one_line = len(values) - len(first.following) <= len(line)
    begins_line = not first.following.partition("\n")[0].strip()
    return RecordForm.LINES if not is_array and is_one_line and begins_line else RecordForm.VALUES


def _first_value(text: str) -> _FirstValue | None:
    try:
        value, end = json.JSONDecoder(parse_int=str).raw_decode(text)  # however long
    except (ValueError, RecursionError):
        return None
    return _FirstValue(value, text[end:])


def split_documents(file: TextIO, separator: str, name: str, step: int = _PEEK) -> Iterator[str]:
    """The texts between the separators, without the line breaks beside these.

    Empty ones are left out. Raises DataError for a document that is too long.
    """
    pending = ""
    while more := file.read(step):
        *whole, pending = (pending + more).split(separator)
        yield from filter(None, (text.strip("\r\n") for text in whole))
        if len(pending) > _LONGEST_DOCUMENT:
            raise DataError(
                f"{name} has {_LONGEST_DOCUMENT // 2**20} MiB without {separator!r}: "
                "check --split-on, or leave it out"
            )
    if last := pending.strip("\r\n"):
        yield last


def _is_named_json(source: TextInput) -> bool:
    return without_compression(Path(source.name)).suffix.lower() == ".json"


def _refuse_pointer(source: TextInput) -> None:
    """Raise DataError for a git-lfs pointer, which a compressed file or Parquet may be too."""
    try:
        with source.path.open("rb") as file:
            start = file.read(START_BYTES)
    except OSError as error:
        raise ResourceError(f"cannot read {source.name}: {error.strerror or error}") from error
    refuse_pointer(source.name, start)
