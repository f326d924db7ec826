"""What a record holds: a text, a chat or a pair of answers, and the parts of its document."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from gptcli.data.chat.chat_template import (
    ASSISTANT,
    BUILT_IN,
    ChatTemplate,
    DocumentPart,
    Message,
)
from gptcli.tokenization.kinds import END_OF_TEXT


class CorpusKind(StrEnum):
    """What all records of a corpus are; a prompt with its completion is a text, too."""

    TEXT = "text"
    CHAT = "chat"
    PAIR = "pair of messages"
    TEXT_PAIR = "pair of texts"

    @property
    def has_turns(self) -> bool:
        """Whether a chat template writes the documents."""
        return self in (CorpusKind.CHAT, CorpusKind.PAIR)

    @property
    def is_pair(self) -> bool:
        """Whether every document has a chosen and a rejected answer."""
        return self in (CorpusKind.PAIR, CorpusKind.TEXT_PAIR)


@dataclass(frozen=True)
class RecordShape:
    """How the records of a corpus become documents.

    Attributes:
        kind: that of all records; None: each may be of any.
        template: writes the turns of chats and pairs.
        end: the special token behind each answer of a pair of texts.

    """

    kind: CorpusKind | None = None
    template: ChatTemplate = BUILT_IN
    end: str = END_OF_TEXT


ANY_SHAPE = RecordShape()


@dataclass(frozen=True)
class PlainText:
    """A text, or a prompt and its completion."""

    kind: ClassVar[CorpusKind] = CorpusKind.TEXT
    pieces: tuple[DocumentPart, ...]

    @property
    def key(self) -> bytes:
        """The sha256 of all of the text."""
        return _sha256("".join(piece.text for piece in self.pieces))

    def parts(self, shape: RecordShape) -> Sequence[DocumentPart]:
        """See ``RecordContent``."""
        return self.pieces


@dataclass(frozen=True)
class Chat:
    """A conversation."""

    kind: ClassVar[CorpusKind] = CorpusKind.CHAT
    messages: tuple[Message, ...]

    @property
    def key(self) -> bytes:
        """The sha256 of what precedes the last answer that is learnt."""
        roles = [one.role if one.is_learnt else "" for one in self.messages]
        answers = [index for index, role in enumerate(roles) if role == ASSISTANT]
        return _asked(self.messages[: answers[-1]] if answers else self.messages)

    def parts(self, shape: RecordShape) -> Sequence[DocumentPart]:
        """See ``RecordContent``."""
        return shape.template.render(self.messages)


@dataclass(frozen=True)
class RankedAnswers:
    """The beginning of a conversation, and two messages that could follow."""

    kind: ClassVar[CorpusKind] = CorpusKind.PAIR
    prompt: tuple[Message, ...]
    chosen: Message
    rejected: Message

    @property
    def key(self) -> bytes:
        """The sha256 of the prompt, that of a chat which goes on with one answer."""
        return _asked(self.prompt)

    def parts(self, shape: RecordShape) -> Sequence[DocumentPart]:
        """See ``RecordContent``."""
        return shape.template.render_pair(self.prompt, self.chosen, self.rejected)


@dataclass(frozen=True)
class RankedTexts:
    """A text, and two ways to go on."""

    kind: ClassVar[CorpusKind] = CorpusKind.TEXT_PAIR
    prompt: str
    chosen: str
    rejected: str

    @property
    def key(self) -> bytes:
        """The sha256 of the prompt."""
        return _sha256(self.prompt)

    def parts(self, shape: RecordShape) -> Sequence[DocumentPart]:
        """See ``RecordContent``."""
        answers = ((self.chosen, 1), (self.rejected, 2))
        pieces = [
            piece
            for text, target in answers
            for piece in (DocumentPart(text, target), DocumentPart(shape.end, target, special=True))
        ]
        return [DocumentPart(self.prompt, 0), *pieces]


# What is read from one record. ``key`` decides between train and val; ``parts`` are those of the
# document, for which DataError is raised where the template refuses it.
RecordContent = PlainText | Chat | RankedAnswers | RankedTexts


def _asked(messages: Sequence[Message]) -> bytes:
    return _sha256(json.dumps([[one.role, one.content] for one in messages]))


def _sha256(text: str) -> bytes:
    """The hash of a text; UnicodeEncodeError for half of a surrogate pair."""
    return hashlib.sha256(text.encode("utf-8")).digest()
