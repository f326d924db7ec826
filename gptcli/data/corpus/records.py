"""The kinds of records that are known: from an object of JSON to what it holds.

The first kind of ``RECORD_KINDS`` whose fields a record has is taken. An instruction and its
answer are a conversation of two turns. There is nothing between a prompt and its completion.
"""

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any

from gptcli.data.chat.chat_template import ASSISTANT, DocumentPart, Message
from gptcli.data.chat.contents import Chat, PlainText, RankedAnswers, RankedTexts, RecordContent
from gptcli.data.corpus.turns import (
    MARKS_OF_READING,
    Record,
    is_only_read,
    kind_of,
    listed,
    read_turns,
    text_of,
)

_PAIR = ("chosen", "rejected")


@dataclass(frozen=True)
class RecordKind:
    """A kind of record.

    Attributes:
        fields: those that every such record has; they tell the kind.
        content: reads a record; raises ValueError with the reason if it is bad.
        optional: further fields that are read where they are there.

    """

    fields: tuple[str, ...]
    content: Callable[[Record], RecordContent]
    optional: tuple[str, ...] = ()


def record_kind(names: Container[str], field: str | None = None) -> RecordKind | None:
    """The kind of a record that has the fields ``names``; None for an unknown one.

    With ``field`` only that field is read, which has all of the text.
    """
    if field is not None:
        return _whole_text(field) if field in names else None
    return next((kind for kind in RECORD_KINDS if _has(names, kind.fields)), None)


def record_content(record: Any, field: str | None = None) -> RecordContent:
    """What a record holds; raises ValueError with the reason for a bad record."""
    if not isinstance(record, dict):
        raise ValueError(f"the record is {kind_of(record)}, not an object")
    kind = record_kind(record, field)
    if kind is None:
        wanted = field or "text"
        advice = "" if field else f": {unknown_advice(record)}"
        raise ValueError(f"no field {wanted!r} but {listed(list(record))}{advice}")
    return kind.content(record)


def unknown_advice(names: Container[str]) -> str:
    """What to do with records of no known kind that have the fields ``names``."""
    for fields, advice in _REFUSED:
        if _has(names, fields):
            return advice
    return (
        "name the field with all of the text with --field, or rename those of a question and its "
        "answer to prompt and completion"
    )


def _has(names: Container[str], fields: Sequence[str]) -> bool:
    return all(map(names.__contains__, fields))  # for every record, so it has to be fast


def _whole_text(field: str) -> RecordKind:
    return RecordKind((field,), lambda record: PlainText((DocumentPart(text_of(record, field)),)))


def _lesson(
    fields: tuple[str, ...], content: Callable[[Record], PlainText | Chat], *optional: str
) -> RecordKind:
    """A kind of which only some parts are learnt; none where the record itself is marked so."""

    def as_marked(record: Record) -> RecordContent:
        found = content(record)
        if not is_only_read(record):
            return found
        if isinstance(found, Chat):
            return Chat(_read(found.messages))
        return PlainText(tuple(replace(piece, target=0) for piece in found.pieces))

    return RecordKind(fields, as_marked, (*optional, *MARKS_OF_READING))


def _read(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The messages, none of which is learnt."""
    return tuple(replace(one, is_learnt=False) for one in messages)


def _completion(record: Record) -> PlainText | Chat:
    """A prompt and its completion, as two texts or as two lists of turns."""
    if isinstance(record["prompt"], list) and isinstance(record["completion"], list):
        answers = _answered(read_turns(record, "completion"))
        return Chat((*_read(read_turns(record, "prompt")), *answers))
    completion = DocumentPart(text_of(record, "completion"))
    return PlainText((DocumentPart(text_of(record, "prompt"), target=0), completion))


def _conversation(field: str) -> Callable[[Record], Chat]:
    return lambda record: Chat(_answered(read_turns(record, field)))


def _answered(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    if not any(one.role == ASSISTANT for one in messages):
        raise ValueError("it has no turn of the assistant, so there is nothing to learn")
    return messages


def _instruction(input_field: str, answer_field: str) -> Callable[[Record], Chat]:
    """A question, which may go on in a second field, and its answer."""

    def content(record: Record) -> Chat:
        answer = Message(ASSISTANT, text_of(record, answer_field))
        return Chat((_question(record, input_field), answer))

    return content


def _question(record: Record, input_field: str) -> Message:
    question = text_of(record, "instruction")
    if record.get(input_field) not in (None, ""):
        question = f"{question}\n\n{text_of(record, input_field)}"
    return Message("user", question)


def _ranked(record: Record) -> RankedTexts | RankedAnswers:
    """A chosen and a rejected answer, as two texts or as two conversations that begin alike."""
    if all(isinstance(record[name], str) for name in _PAIR):
        return _ranked_texts(record)
    prompt = record.get("prompt")
    asked = read_turns(record, "prompt") if isinstance(prompt, list) else ()
    chosen, rejected = ((*asked, *_without(read_turns(record, one), asked)) for one in _PAIR)
    both = zip(chosen, rejected, strict=False)
    n_shared = len([*takewhile(lambda two: two[0] == two[1], both)])
    if chosen == rejected:
        raise ValueError("its chosen and its rejected answer are the same: neither is better")
    answers = [one[n_shared:] for one in (chosen, rejected)]
    for name, left in zip(_PAIR, answers, strict=True):
        if len(left) != 1 or left[0].role != ASSISTANT:
            raise ValueError(
                f"behind what the two have in common its {name} answer is "
                f"{len(left)} messages: the prompts must be the same, and an answer is one message "
                "of the assistant"
            )
    (best,), (worst,) = answers
    _check_answers(best.content, worst.content)
    return RankedAnswers(_read(chosen[:n_shared]), best, worst)


def _without(messages: tuple[Message, ...], asked: tuple[Message, ...]) -> tuple[Message, ...]:
    """The messages behind the prompt, which some data repeat."""
    return messages[len(asked) :] if messages[: len(asked)] == asked else messages


def _ranked_texts(record: Record) -> RankedTexts | RankedAnswers:
    chosen, rejected = (text_of(record, name) for name in _PAIR)
    if "instruction" in record:
        _check_answers(chosen, rejected)
        asked = _read([_question(record, "input")])
        return RankedAnswers(asked, Message(ASSISTANT, chosen), Message(ASSISTANT, rejected))
    if record.get("prompt") is None:
        prompt = _shared_words(chosen, rejected)
        chosen, rejected = chosen[len(prompt) :], rejected[len(prompt) :]
    else:
        prompt = text_of(record, "prompt")
    _check_answers(chosen, rejected)
    return RankedTexts(prompt, chosen, rejected)


def _check_answers(chosen: str, rejected: str) -> None:
    if chosen == rejected:
        raise ValueError("its chosen and its rejected answer are the same: neither is better")
    for name, answer in zip(_PAIR, (chosen, rejected), strict=True):
        if not answer:
            raise ValueError(f"its {name} answer is empty: write one")


def _shared_words(one: str, other: str) -> str:
    """What two texts begin with, up to the white space before the first word that differs."""
    pairs = zip(one, other, strict=False)
    n_shared = len([*takewhile(lambda two: two[0] == two[1], pairs)])
    while n_shared and not one[n_shared - 1].isspace():
        n_shared -= 1
    return one[:n_shared].rstrip()


def _message_of_a_tree(_: Record) -> RecordContent:
    raise ValueError(
        "the record is one message of a conversation: write each conversation as one record with "
        "messages, or --field text to train on every message by itself"
    )


RECORD_KINDS = (
    RecordKind(("message_id", "parent_id", "text", "role"), _message_of_a_tree),  # OpenAssistant
    _whole_text("text"),
    RecordKind(_PAIR, _ranked, ("prompt", "instruction", "input")),  # TRL, UltraFeedback, Alpaca
    _lesson(("prompt", "completion"), _completion),  # also TRL's, of lists of turns
    _lesson(("messages",), _conversation("messages")),  # OpenAI
    _lesson(("conversations",), _conversation("conversations")),  # ShareGPT
    _lesson(("instruction", "output"), _instruction("input", "output"), "input"),  # Alpaca
    _lesson(("instruction", "response"), _instruction("context", "response"), "context"),
)
_REFUSED = (
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
