"""From a line of JSON to a document."""

import json
from typing import Any

from gptcli.data.chat.contents import ANY_SHAPE, CorpusKind, RecordShape
from gptcli.data.corpus.chunks import Document, Reader
from gptcli.data.corpus.records import record_content
from gptcli.errors import CheckpointError, DataError
from gptcli.runtime.files import NUMBER_TOO_LONG


def record_document(
    line: str, offset: int, field: str | None = None, shape: RecordShape = ANY_SHAPE
) -> Document:
    """The document of one record of JSON; raises ValueError with the reason if there is none.

    ``field`` is the one that holds its text; None: the first known kind.
    Raises CheckpointError where the chat template is of no use for any record.
    """
    content = record_content(_value(line), field)
    if shape.kind is not None and content.kind is not shape.kind:
        raise ValueError(
            f"it is a {content.kind}, and the first record is a {shape.kind}: prepare the two apart"
        )
    try:
        key, parts = content.key, tuple(content.parts(shape))
        if content.kind is not CorpusKind.TEXT:  # of which the key is that of all
            "".join(part.text for part in parts).encode("utf-8")
    except DataError as error:
        raise ValueError(str(error)) from None
    except UnicodeEncodeError as error:
        half = error.object[error.start]
        raise ValueError(
            f"it has half of a surrogate pair (\\u{ord(half):04x}), which is not text"
        ) from None
    return Document(parts, offset, key, is_start=True, is_end=True, kind=content.kind)


def at_place(reader: Reader, offset: int, error: CheckpointError) -> CheckpointError:
    """The error with the place of its record."""
    return CheckpointError(f"{reader.source.name}, {reader.place(offset)}: {error}")


def _value(line: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON ({error.msg}, column {error.colno:,})") from None
    except ValueError:  # Python's own message advises a change of its settings
        raise ValueError(NUMBER_TOO_LONG) from None
    except RecursionError:
        raise ValueError("the JSON is too deeply nested") from None
