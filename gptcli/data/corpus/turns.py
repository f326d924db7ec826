"""Reading the turns of a conversation, in the forms that makers of data write them in."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from gptcli.data.chat.chat_template import ASSISTANT, Message

Record = Mapping[str, Any]
# What makers of data call the three roles.
_ROLES: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("system", "developer"), "system"),
        **dict.fromkeys(("user", "human"), "user"),
        **dict.fromkeys((ASSISTANT, "gpt", "chatgpt", "model"), ASSISTANT),
    }
)
_LEARNT = ("train", "training", "loss")
_WEIGHT = "weight"
MARKS_OF_READING = (_WEIGHT, *_LEARNT)
_CALLS = ("tool_calls", "function_call")
_NAMES_SHOWN = 5


def read_turns(record: Record, field: str) -> tuple[Message, ...]:
    """The messages in a list of turns; ValueError with the number and the reason for a bad one."""
    return tuple(_numbered(record, field))


def is_only_read(turn_or_record: Record) -> bool:
    """Whether it is marked to be read and not learnt.

    "weight" 0 says so (OpenAI), and so does "train" (axolotl), "training" or "loss" (ms-swift)
    with false.
    """
    is_off = any(turn_or_record.get(name) is False for name in _LEARNT)
    return is_off or turn_or_record.get(_WEIGHT) == 0


def text_of(record: Record, field: str) -> str:
    """The text in a field; ValueError where there is none."""
    if field not in record:
        raise ValueError(f"no field {field!r} but {listed(list(record))}")
    text = record[field]
    if not isinstance(text, str):
        raise ValueError(f"field {field[:40]!r} is {kind_of(text)}, not a string")
    return text


def kind_of(value: Any) -> str:
    """What a value of JSON is, for a message."""
    kinds = {dict: "an object", list: "a list", str: "a string", bool: "true or false"}
    return "null" if value is None else kinds.get(type(value), "a number")


def listed(names: Sequence[str]) -> str:
    """The first names, for a message."""
    shown = [repr(name[:40]) for name in names[:_NAMES_SHOWN]]
    more = ", ..." if len(names) > _NAMES_SHOWN else ""
    return ", ".join(shown) + more if names else "none at all"


def _numbered(record: Record, field: str) -> Iterator[Message]:
    turns = record[field]
    if not isinstance(turns, list) or not turns:
        raise ValueError(f"field {field!r} is not a list of turns")
    for number, turn in enumerate(turns, 1):
        if not isinstance(turn, dict):
            raise ValueError(f"message {number} is {kind_of(turn)}, not an object")
        try:
            yield _message(turn)
        except ValueError as error:
            raise ValueError(f"message {number}: {error}") from None


def _message(turn: Record) -> Message:
    """A turn as OpenAI writes it (role and content) or as ShareGPT does (from and value)."""
    is_sharegpt = "role" not in turn and "from" in turn
    role = text_of(turn, "from" if is_sharegpt else "role")
    if role not in _ROLES:
        raise ValueError(f"the role is {role[:40]!r}, there are {', '.join(_ROLES)}")
    if call := next((name for name in _CALLS if turn.get(name)), None):
        raise ValueError(f"it has {call!r}, and only text is read: write the call into its content")
    content = _content(turn, "value" if is_sharegpt else "content")
    return Message(_ROLES[role], content, _is_learnt(turn))


def _content(turn: Record, field: str) -> str:
    """The content of a turn: a string, or a list of parts that are all text."""
    pieces = turn.get(field)
    if not isinstance(pieces, list):
        return text_of(turn, field)
    for piece in pieces:
        if not isinstance(piece, dict) or piece.get("type") != "text":
            kind = piece.get("type") if isinstance(piece, dict) else kind_of(piece)
            raise ValueError(f"a part of its {field} is {kind!r:.40}, and only 'text' is read")
    return "".join(text_of(piece, "text") for piece in pieces)


def _is_learnt(turn: Record) -> bool:
    weight = turn.get(_WEIGHT)
    is_read = is_only_read(turn)
    if weight not in (None, 0, 1) and not is_read:
        raise ValueError(f"its weight is {weight!r:.40}: write 0 (only read) or 1 (learnt)")
    return not is_read
