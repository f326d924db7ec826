"""Reading a file with one record of JSON per line, of which only some parts may be targets.

There are three shapes; the first that fits is taken:
    {"text": "..."}                                       all of the text is a target
    {"prompt": "...", "completion": "..."}                the completion is a target
    {"messages": [{"role": "...", "content": "..."}]}     the assistant's messages are targets
A conversation becomes "role: content" and a newline for each turn; the content of an assistant's
turn and the newline that ends it are targets, so that a model learns to end its turn. There is
nothing between a prompt and its completion. With ``field`` the text is in the field of that name.
"""

import hashlib
import json
from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Any

from gptcli.config.data import ReadOptions
from gptcli.data.corpus.chunks import Chunk, Document, DocumentPart, Parsed, Problem
from gptcli.data.corpus.cutting import CutReader, Cutter, line_boundary
from gptcli.data.corpus.inputs import TextInput
from gptcli.data.corpus.text_reader import STEP, decode, not_text

LONGEST_LINE = 2**26
_BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True)
class JsonlReader(CutReader):
    """Reads records in chunks of whole lines."""

    source: TextInput
    options: ReadOptions
    step: int = STEP
    longest_line: int = LONGEST_LINE

    def parse(self, chunk: Chunk) -> Parsed:
        """See Reader. A record without a document is a problem; blank lines are skipped."""
        assert isinstance(chunk.content, bytes)
        documents: list[Document] = []
        problems: list[Problem] = []
        n_replaced, offset = 0, chunk.offset
        for line in chunk.content.split(b"\n"):
            if line and not line.isspace():
                text, count = self._decode(line, offset)
                n_replaced += count
                try:
                    documents.append(record_document(text, offset, self.options.field))
                except ValueError as error:
                    problems.append(Problem(offset, str(error)))
            offset += len(line) + 1
        return Parsed(tuple(documents), tuple(problems), n_replaced)

    def _decode(self, line: bytes, offset: int) -> tuple[str, int]:
        try:
            text, count = decode(line, self.options.errors)
        except UnicodeDecodeError as error:
            raise not_text(self.source, offset + error.start, line[error.start]) from None
        return (text.removeprefix(_BYTE_ORDER_MARK) if offset == 0 else text), count

    @property
    def cutter(self) -> Cutter:
        """Cut after newlines; DataError for a line that is too long to be a record."""
        return Cutter(self.source, line_boundary, self.step, self.longest_line)


def record_document(line: str, offset: int, field: str | None) -> Document:
    """The document of one record of JSON; raises ValueError with the reason if there is none."""
    try:
        parts = record_parts(json.loads(line), field)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON ({error.msg}, column {error.colno:,})") from None
    except RecursionError:
        raise ValueError("the JSON is too deeply nested") from None
    try:
        content = "".join(part.text for part in parts).encode("utf-8")
    except UnicodeEncodeError as error:
        half = error.object[error.start]
        raise ValueError(
            f"it has half of a surrogate pair (\\u{ord(half):04x}), which is no text"
        ) from None
    return Document(parts, offset, hashlib.sha256(content).digest(), is_start=True, is_end=True)


ROLES = ("system", "user", "assistant")
_TARGET_ROLE = "assistant"
_NAMES_SHOWN = 5
_SHAPES = (("text",), ("prompt", "completion"), ("messages",))


def fields_with_text(names: Container[str], field: str | None = None) -> tuple[str, ...] | None:
    """Return the fields with the text of a record that has ``names``; None for no known shape."""
    shapes = _SHAPES if field is None else ((field,),)
    return next((shape for shape in shapes if all(name in names for name in shape)), None)


def record_parts(record: Any, field: str | None = None) -> tuple[DocumentPart, ...]:
    """The parts of a record's document; raises ValueError with the reason for a bad record."""
    if not isinstance(record, dict):
        raise ValueError(f"the record is {_kind(record)}, not an object")
    if field is not None:
        return (DocumentPart(_text(record, field)),)
    if "text" in record:
        return (DocumentPart(_text(record, "text")),)
    if "prompt" in record and "completion" in record:
        completion = DocumentPart(_text(record, "completion"))
        return (DocumentPart(_text(record, "prompt"), is_target=False), completion)
    if "messages" in record:
        return _conversation(record["messages"])
    raise ValueError(
        f"{_no_field('text', record)}: name the field with all of the text with --field, or "
        "rename those of a question and its answer to prompt and completion"
    )


def _conversation(messages: Any) -> tuple[DocumentPart, ...]:
    if not isinstance(messages, list) or not messages:
        raise ValueError("field 'messages' is no list of turns")
    return tuple(part for number, turn in enumerate(messages, 1) for part in _turn(turn, number))


def _turn(turn: Any, number: int) -> tuple[DocumentPart, ...]:
    if not isinstance(turn, dict):
        raise ValueError(f"message {number} is {_kind(turn)}, not an object")
    try:
        role, content = _text(turn, "role"), _text(turn, "content")
    except ValueError as error:
        raise ValueError(f"message {number}: {error}") from None
    if role not in ROLES:
        roles = ", ".join(ROLES)
        raise ValueError(f"message {number} has the role {role[:40]!r}: there are {roles}")
    if role == _TARGET_ROLE:
        return (DocumentPart(f"{role}: ", is_target=False), DocumentPart(f"{content}\n"))
    return (DocumentPart(f"{role}: {content}\n", is_target=False),)


def _text(record: Mapping[str, Any], field: str) -> str:
    if field not in record:
        raise ValueError(_no_field(field, record))
    text = record[field]
    if not isinstance(text, str):
        raise ValueError(f"field {field[:40]!r} is {_kind(text)}, not a string")
    return text


def _no_field(field: str, record: Mapping[str, Any]) -> str:
    names = [repr(name[:40]) for name in list(record)[:_NAMES_SHOWN]]
    more = ", ..." if len(record) > _NAMES_SHOWN else ""
    return f"no field {field!r} but {', '.join(names) + more if names else 'none at all'}"


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "a string", bool: "true or false"}
    return "null" if value is None else kinds.get(type(value), "a number")
