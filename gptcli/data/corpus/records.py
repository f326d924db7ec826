"""From records of JSON to the parts of documents, of which only some are targets of the loss.

There are three shapes; the first that fits is taken:
    {"text": "..."}                                       all of the text is a target
    {"prompt": "...", "completion": "..."}                the completion is a target
    {"messages": [{"role": "...", "content": "..."}]}     the assistant's messages are targets
A conversation becomes "role: content" and a newline for each turn; the content of an assistant's
turn and the newline that ends it are targets, so that a model learns to end its turn. There is
nothing between a prompt and its completion. With ``field`` the text is in the field of that name.
"""

from collections.abc import Mapping
from typing import Any

from gptcli.data.corpus.reading import DocumentPart

ROLES = ("system", "user", "assistant")
_TARGET_ROLE = "assistant"
_NAMES_SHOWN = 5


def record_parts(record: Any, field: str | None = None) -> tuple[DocumentPart, ...]:
    """The parts of a record's document; raises ValueError with the reason for a bad record."""
    if not isinstance(record, dict):
        raise ValueError(f"the line holds {_kind(record)}, not an object")
    if field is not None:
        return (DocumentPart(_text(record, field)),)
    if "text" in record:
        return (DocumentPart(_text(record, "text")),)
    if "prompt" in record and "completion" in record:
        completion = DocumentPart(_text(record, "completion"))
        return (DocumentPart(_text(record, "prompt"), is_target=False), completion)
    if "messages" in record:
        return _conversation(record["messages"])
    raise ValueError(f"{_no_field('text', record)}: name the field of the text with --field")


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
