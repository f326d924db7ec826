"""Reading a file with one record of JSON per line, of which only some parts may be targets."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from gptcli.config.data import ReadOptions
from gptcli.data.corpus.chunks import Chunk, Document, Parsed, Problem
from gptcli.data.corpus.cutting import CutReader, Cutter, line_boundary
from gptcli.data.corpus.inputs import TextInput
from gptcli.data.corpus.records import record_parts
from gptcli.data.corpus.text_reader import STEP, decode, not_text
from gptcli.runtime.files import NUMBER_TOO_LONG

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
    parts = record_parts(_value(line), field)
    try:
        content = "".join(part.text for part in parts).encode("utf-8")
    except UnicodeEncodeError as error:
        half = error.object[error.start]
        raise ValueError(
            f"it has half of a surrogate pair (\\u{ord(half):04x}), which is not text"
        ) from None
    return Document(parts, offset, hashlib.sha256(content).digest(), is_start=True, is_end=True)


def _value(line: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON ({error.msg}, column {error.colno:,})") from None
    except ValueError:  # Python's own message advises a change of its settings
        raise ValueError(NUMBER_TOO_LONG) from None
    except RecursionError:
        raise ValueError("the JSON is too deeply nested") from None
