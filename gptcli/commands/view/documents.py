"""Writing JSON: one document of any length, or one per line.

NaN becomes null, and control characters are escaped, so that no terminal acts on them.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gptcli.runtime.escapes import UNSAFE
from gptcli.runtime.files import finite

_INDENT = "  "
_CONTROLS = {code: f"\\u{code:04x}" for code in UNSAFE}  # which JSON allows inside strings
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


@dataclass(frozen=True)
class StreamedList:
    """A list whose items come in groups, each item already written as JSON."""

    groups: Iterable[Iterable[str]]


@dataclass(frozen=True)
class StreamedText:
    """A string that comes in pieces."""

    pieces: Iterable[str]


@dataclass(frozen=True)
class Computed:
    """A value that is computed after everything before it is written, such as a count."""

    value: Callable[[], Any]


Later = StreamedList | StreamedText | Computed


def document_chunks(schema: str, document: Mapping[str, Any]) -> Iterator[str]:
    """An indented document, "schema" first; a list of numbers or words is one line."""
    yield from _value({"schema": schema, **document}, "")
    yield "\n"


def document_line(document: Mapping[str, Any]) -> str:
    """A document on one line."""
    return written(document) + "\n"


def written(value: Any) -> str:
    """JSON on one line; an infinite or undefined number is null."""
    try:
        text = _encode(value)
    except ValueError:
        text = _encode(finite(value))
    is_safe = text.isascii() and "\x7f" not in text
    return text if is_safe else text.translate(_CONTROLS)


def joined(groups: Iterable[Iterable[str]], separator: str) -> Iterator[str]:
    """All words of all groups with the separator between them, one chunk per group."""
    lead = ""
    for group in groups:
        if words := separator.join(group):
            yield lead + words
            lead = separator


def _value(value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, StreamedList):
        yield "["
        yield from joined(value.groups, ", ")
        yield "]"
    elif isinstance(value, StreamedText):
        yield '"'
        for piece in value.pieces:
            yield written(piece)[1:-1]
        yield '"'
    elif isinstance(value, Computed):
        yield from _value(value.value(), indent)
    elif isinstance(value, Mapping) and value:
        yield from _block("{", value.items(), "}", indent)
    elif _is_nested(value):
        yield from _block("[", ((None, item) for item in value), "]", indent)
    else:
        yield written(value)


def _block(
    opening: str, items: Iterable[tuple[str | None, Any]], closing: str, indent: str
) -> Iterator[str]:
    """One item per line, with its name if it has one."""
    inner, lead = indent + _INDENT, "\n"
    yield opening
    for name, item in items:
        lead += inner + ("" if name is None else f"{written(str(name))}: ")
        if isinstance(item, str | int | float):  # most are
            yield lead + written(item)
        else:
            yield lead
            yield from _value(item, inner)
        lead = ",\n"
    yield f"\n{indent}{closing}"


def _is_nested(value: Any) -> bool:
    return isinstance(value, list | tuple) and any(
        isinstance(item, Mapping | list | tuple | Later) for item in value
    )
