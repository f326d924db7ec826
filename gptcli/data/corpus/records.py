"""The kinds of records that are known: from an object of JSON to the parts of a document.

The first kind of ``RECORD_KINDS`` whose fields a record has is taken. A conversation becomes
"role: content" and a newline for each turn; the content of an assistant's turn and the newline
that ends it are targets, so that a model learns to end its turn. An instruction and its answer
are a conversation of two turns. There is nothing between a prompt and its completion.
"""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from gptcli.data.chat.chat_template import DocumentPart

Record = Mapping[str, Any]
Parts = tuple[DocumentPart, ...]
_ASSISTANT = "assistant"
# What makers of data call the three roles.
_ROLES: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("system", "developer"), "system"),
        **dict.fromkeys(("user", "human"), "user"),
        **dict.fromkeys((_ASSISTANT, "gpt", "chatgpt", "model"), _ASSISTANT),
    }
)
_LEARNT = ("train", "training", "loss")
_WEIGHT = "weight"
_CALLS = ("tool_calls", "function_call")
_NAMES_SHOWN = 5


@dataclass(frozen=True)
class RecordKind:
    """A kind of record.

    Attributes:
        fields: those that every such record has; they tell the kind.
        parts: the parts of a record's document; raises ValueError with the reason if it is bad.
        optional: further fields that are read where they are there.

    """

    fields: tuple[str, ...]
    parts: Callable[[Record], Parts]
    optional: tuple[str, ...] = ()


def record_kind(names: Container[str], field: str | None = None) -> RecordKind | None:
    """The kind of a record that has the fields ``names``; None for an unknown one.

    With ``field`` only that field is read, which has all of the text.
    """
    if field is not None:
        return _whole_text(field) if field in names else None
    return next((kind for kind in RECORD_KINDS if _has(names, kind.fields)), None)


def record_parts(record: Any, field: str | None = None) -> Parts:
    """The parts of a record's document; raises ValueError with the reason for a bad record."""
    if not isinstance(record, dict):
        raise ValueError(f"the record is {_kind(record)}, not an object")
    kind = record_kind(record, field)
    if kind is None:
        wanted = field or "text"
        advice = "" if field else f": {unknown_advice(record)}"
        raise ValueError(f"no field {wanted!r} but {listed(list(record))}{advice}")
    return kind.parts(record)


def unknown_advice(names: Container[str]) -> str:
    """What to do with records of no known kind that have the fields ``names``."""
    for fields, advice in _REFUSED:
        if _has(names, fields):
            return advice
    return (
        "name the field with all of the text with --field, or rename those of a question and its "
        "answer to prompt and completion"
    )


def listed(names: Sequence[str]) -> str:
    """The first names, for a message."""
    shown = [repr(name[:40]) for name in names[:_NAMES_SHOWN]]
    more = ", ..." if len(names) > _NAMES_SHOWN else ""
    return ", ".join(shown) + more if names else "none at all"


def _has(names: Container[str], fields: Sequence[str]) -> bool:
    return all(name in names for name in fields)


def _whole_text(field: str) -> RecordKind:
    return RecordKind((field,), lambda record: (DocumentPart(_text(record, field)),))


def _lesson(
    fields: tuple[str, ...], parts: Callable[[Record], Parts], *optional: str
) -> RecordKind:
    """A kind of which only some parts are learnt; none where the record itself is marked so."""

    def as_marked(record: Record) -> Parts:
        found = parts(record)
        if not _is_marked(record):
            return found
        return tuple(DocumentPart(part.text, target=0) for part in found)

    return RecordKind(fields, as_marked, (*optional, _WEIGHT, *_LEARNT))


def _completion(record: Record) -> Parts:
    """A prompt and its completion, as two texts or as two lists of turns."""
    if isinstance(record["prompt"], list) and isinstance(record["completion"], list):
        read = (DocumentPart(part.text, target=0) for part in _turns(record, "prompt"))
        return (*read, *_turns(record, "completion"))
    completion = DocumentPart(_text(record, "completion"))
    return (DocumentPart(_text(record, "prompt"), target=0), completion)


def _conversation(field: str) -> Callable[[Record], Parts]:
    return lambda record: tuple(_turns(record, field))


def _instruction(input_field: str, answer_field: str) -> Callable[[Record], Parts]:
    """A question, which may go on in a second field, and its answer."""

    def parts(record: Record) -> Parts:
        question = _text(record, "instruction")
        if record.get(input_field) not in (None, ""):
            question = f"{question}\n\n{_text(record, input_field)}"
        answer = _text(record, answer_field)
        return (*_spoken("user", question), *_spoken(_ASSISTANT, answer))

    return parts


def _spoken(role: str, content: str, is_learnt: bool = True) -> Parts:
    if role == _ASSISTANT and is_learnt:
        return (DocumentPart(f"{role}: ", target=0), DocumentPart(f"{content}\n"))
    return (DocumentPart(f"{role}: {content}\n", target=0),)


def _turns(record: Record, field: str) -> Iterator[DocumentPart]:
    turns = record[field]
    if not isinstance(turns, list) or not turns:
        raise ValueError(f"field {field!r} is not a list of turns")
    for number, turn in enumerate(turns, 1):
        if not isinstance(turn, dict):
            raise ValueError(f"message {number} is {_kind(turn)}, not an object")
        try:
            yield from _turn(turn)
        except ValueError as error:
            raise ValueError(f"message {number}: {error}") from None


def _turn(turn: Record) -> Parts:
    """A turn as OpenAI writes it (role and content) or as ShareGPT does (from and value)."""
    is_sharegpt = "role" not in turn and "from" in turn
    role = _text(turn, "from" if is_sharegpt else "role")
    if role not in _ROLES:
        raise ValueError(f"the role is {role[:40]!r}, there are {', '.join(_ROLES)}")
    if call := next((name for name in _CALLS if turn.get(name)), None):
        raise ValueError(f"it has {call!r}, and only text is read: write the call into its content")
    content = _content(turn, "value" if is_sharegpt else "content")
    return _spoken(_ROLES[role], content, _is_learnt(turn))


def _content(turn: Record, field: str) -> str:
    """The content of a turn: a string, or a list of parts that are all text."""
    pieces = turn.get(field)
    if not isinstance(pieces, list):
        return _text(turn, field)
    for piece in pieces:
        if not isinstance(piece, dict) or piece.get("type") != "text":
            kind = piece.get("type") if isinstance(piece, dict) else _kind(piece)
            raise ValueError(f"a part of its {field} is {kind!r:.40}, and only 'text' is read")
    return "".join(_text(piece, "text") for piece in pieces)


def _is_learnt(turn: Record) -> bool:
    """Whether an assistant's turn is to be learnt."""
    weight = turn.get(_WEIGHT)
    if weight not in (None, 0, 1) and not _is_marked(turn):
        raise ValueError(f"its weight is {weight!r:.40}: write 0 (only read) or 1 (learnt)")
    return not _is_marked(turn)


def _is_marked(turn_or_record: Record) -> bool:
    """Whether it is only read.

    "weight" 0 says so (OpenAI), and so does "train" (axolotl), "training" or "loss" (ms-swift)
    with false.
    """
    is_off = any(turn_or_record.get(name) is False for name in _LEARNT)
    return is_off or turn_or_record.get(_WEIGHT) == 0


def _text(record: Record, field: str) -> str:
    if field not in record:
        raise ValueError(f"no field {field!r} but {listed(list(record))}")
    text = record[field]
    if not isinstance(text, str):
        raise ValueError(f"field {field[:40]!r} is {_kind(text)}, not a string")
    return text


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "a string", bool: "true or false"}
    return "null" if value is None else kinds.get(type(value), "a number")


def _message_of_a_tree(_: Record) -> Parts:
    raise ValueError(
        "the record is one message of a conversation: write each conversation as one record with "
        "messages, or --field text to train on every message by itself"
    )


RECORD_KINDS = (
    RecordKind(("message_id", "parent_id", "text", "role"), _message_of_a_tree),  # OpenAssistant
    _whole_text("text"),
    _lesson(("prompt", "completion"), _completion),  # also TRL's, of lists of turns
    _lesson(("messages",), _conversation("messages")),  # OpenAI
    _lesson(("conversations",), _conversation("conversations")),  # ShareGPT
    _lesson(("instruction", "output"), _instruction("input", "output"), "input"),  # Alpaca
    _lesson(("instruction", "response"), _instruction("context", "response"), "context"),
)
_REFUSED = (
    (
        ("chosen", "rejected"),
        "pairs of a chosen and a rejected answer are not read: rename chosen to completion to "
        "train on the chosen answers",
    ),
    (
        ("prompt", "response"),
        "rename response to completion; there is nothing between the two, so end the prompt with a "
        "line break if the answer should begin a new line",
    ),
    (
        ("data",),
        'write each conversation as {"messages": [{"role": "user", "content": "..."}, '
        '{"role": "assistant", "content": "..."}]}, or name the field with all of the text with '
        "--field",
    ),
)
