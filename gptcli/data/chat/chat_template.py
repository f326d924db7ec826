"""Chat templates: from the turns of a conversation to its text and its special tokens.

A template is a text of Jinja, written as transformers and makers of models write theirs. Only the
template writes special tokens. A content that spells the name of one stays text: a mark that no
text has, U+FDD2, stands within the name while the template is rendered.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

from gptcli.data.chat.jinja import GENERATION_END, GENERATION_START, MARKS, rendered
from gptcli.data.chat.spelling import HIDDEN, special_names
from gptcli.errors import CheckpointError, DataError
from gptcli.tokenization.tokenizer import Tokenizer

ASSISTANT = "assistant"
ROLES = ("system", "user", ASSISTANT)
BUILT_IN_TOKENS = ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>")
BUILT_IN_TEMPLATE = (
    "{% for m in messages %}"
    "{% if m.role == 'assistant' %}"
    "<|assistant|>{% generation %}{{ m.content }}<|end|>{% endgeneration %}"
    "{% elif m.role == 'user' %}<|user|>{{ m.content }}<|end|>"
    "{% elif m.role == 'system' %}<|system|>{{ m.content }}<|end|>"
    "{% else %}{{ raise_exception('unknown role ' + m.role) }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
_GENERATION = re.compile(r"\{%[-+]?\s*generation\s*[-+]?%\}")
_PROBE = "\ue000"  # an answer that no template writes itself
Span = tuple[int, int]  # first character and the one behind the last


@dataclass(frozen=True)
class DocumentPart:
    """A piece of a document: a text, or the name of a special token, which is one id.

    Attributes:
        text: the text, or the name.
        target: 1 where it counts in the loss; 0 where it is only read; 2 in the rejected answer
            of a pair.
        special: whether it is a special token.
        joined: whether it belongs to the text of the part before it, so that the ids are those
            of both together.

    """

    text: str
    target: int = 1
    special: bool = False
    joined: bool = False


@dataclass(frozen=True)
class Message:
    """A turn of a conversation; ``is_learnt``: whether an assistant's turn counts in the loss."""

    role: str
    content: str
    is_learnt: bool = True


@dataclass(frozen=True)
class ChatTemplate:
    """A template, and the special tokens that it may write as one id each."""

    text: str
    special_tokens: tuple[str, ...]

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> "ChatTemplate | None":
        """The template of a tokenizer; None where it has none."""
        if tokenizer.chat_template is None:
            return None
        return cls(tokenizer.chat_template, tuple(tokenizer.special_tokens))

    def render(
        self, messages: Sequence[Message], *, add_generation_prompt: bool = False
    ) -> list[DocumentPart]:
        """The parts of a conversation; ``add_generation_prompt`` begins the assistant's next turn.

        The target of what the assistant says in turns that are learnt is 1. Raises DataError where
        the template refuses the messages, CheckpointError where the template is of no use.
        """
        whole = self._rendered(messages, add_generation_prompt)
        if _GENERATION.search(self.text):
            text, blocks = _without_marks(whole)
            return self._parts(text, _chosen(blocks, messages))
        return self._parts(whole, self._prefix_spans(whole, messages))

    def render_pair(
        self, prompt: Sequence[Message], chosen: Message, rejected: Message
    ) -> list[DocumentPart]:
        """A prompt (target 0), the chosen answer (1) and the rejected one (2).

        An answer ends with its end token. Raises what ``render`` does.
        """
        read = [replace(one, is_learnt=False) for one in prompt]
        before, best = self._answer([*read, chosen])
        others, worst = self._answer([*read, rejected])
        if before != others:
            raise CheckpointError(
                "the chat template writes the same question in another way before another answer: "
                "take another template"
            )
        return [*before, *best, *(replace(part, target=2) for part in worst)]

    def _answer(self, messages: Sequence[Message]) -> tuple[list[DocumentPart], list[DocumentPart]]:
        """The parts before the last message, and its own up to the end token."""
        parts = self.render(messages)
        targets = [part.target for part in parts]
        start = targets.index(1) if 1 in targets else len(parts)
        ends = [part.special and part.text == self.end_token for part in parts[start:]]
        if True not in ends:
            raise CheckpointError(
                f"the chat template writes no {self.end_token} behind an answer that it has to "
                "learn: take another"
            )
        first, *answer = parts[start : start + ends.index(True) + 1]
        # Encoded by itself, for a model writes it behind a prompt that is read already.
        return parts[:start], [replace(first, joined=False), *answer]

    @property
    def end_token(self) -> str:
        """The special token that ends an assistant's turn.

        Raises CheckpointError where there is none: a model could not learn to stop.
        """
        return _end_token(self)

    def _rendered(self, messages: Sequence[Message], add_generation_prompt: bool) -> str:
        """The output of the template, with the marks in it."""
        hidden = [
            {"role": one.role, "content": self._hidden(one.content, number)}
            for number, one in enumerate(messages, 1)
        ]
        return rendered(self.text, hidden, add_generation_prompt)

    def _hidden(self, content: str, number: int) -> str:
        """A content in which no special token can be found."""
        if mark := next((mark for mark in MARKS if mark in content), None):
            raise DataError(
                f"message {number} has the character U+{ord(mark):04X}, which no text has: leave "
                "it out"
            )
        return special_names(self.special_tokens).hidden_in(content)

    def _prefix_spans(self, whole: str, messages: Sequence[Message]) -> list[Span]:
        """What the assistant's turns add to the text before them, to their end token."""
        spans = []
        for index, message in enumerate(messages):
            if message.role != ASSISTANT or not message.is_learnt:
                continue
            before = self._rendered(messages[:index], True)
            through = self._rendered(messages[: index + 1], False)
            if not through.startswith(before) or not whole.startswith(through):
                raise CheckpointError(
                    f"the chat template does not say which text is message {index + 1}, for it "
                    "writes the messages before or after it in another way once they have "
                    "company: give --chat-template with {% generation %} and {% endgeneration %} "
                    "around what the assistant says"
                )
            spans.append((len(before), self._end_of_answer(through, len(before))))
        return spans

    def _end_of_answer(self, text: str, start: int) -> int:
        """Where the end token of the answer that begins at ``start`` ends."""
        for found in special_names(self.special_tokens).found_in(text, start):
            if found[0] == self.end_token:
                return found.end()
        return len(text)

    def _parts(self, text: str, spans: Sequence[Span]) -> list[DocumentPart]:
        """The text divided at special tokens and at the edges of the learnt spans."""
        parts: list[DocumentPart] = []
        edges = sorted({edge for span in spans for edge in span})
        place = 0
        for found in special_names(self.special_tokens).found_in(text):
            parts += _text_parts(text, (place, found.start()), spans, edges)
            parts.append(DocumentPart(found[0], _target(found.start(), spans), special=True))
            place = found.end()
        return [*parts, *_text_parts(text, (place, len(text)), spans, edges)]


def _text_parts(
    text: str, within: Span, spans: Sequence[Span], edges: Sequence[int]
) -> Iterator[DocumentPart]:
    start, end = within
    borders = [start, *(edge for edge in edges if start < edge < end), end]
    for low, high in pairwise(borders):
        if piece := text[low:high].replace(HIDDEN, ""):
            yield DocumentPart(piece, _target(low, spans), joined=low > start)


def _target(place: int, spans: Sequence[Span]) -> int:
    return int(any(start <= place < end for start, end in spans))


def _without_marks(text: str) -> tuple[str, list[Span]]:
    """The text without the marks of generation blocks, and where these blocks are in it."""
    pieces, blocks, length = [], [], 0
    for block in text.split(GENERATION_START):
        inside, mark, behind = block.partition(GENERATION_END)
        if mark:
            blocks.append((length, length + len(inside)))
        if GENERATION_END in behind:
            raise CheckpointError("the chat template has generation blocks within one another")
        pieces += [inside, behind]
        length += len(inside) + len(behind)
    return "".join(pieces), blocks


def _chosen(blocks: Sequence[Span], messages: Sequence[Message]) -> list[Span]:
    """The blocks of the turns that are learnt."""
    flags = [one.is_learnt for one in messages if one.role == ASSISTANT]
    if all(flags):
        return list(blocks)
    if len(flags) != len(blocks):
        raise CheckpointError(
            f"the chat template has {len(blocks)} generation blocks in a conversation with "
            f"{len(flags)} turns of the assistant, of which some are only read: give "
            "--chat-template with one block around each"
        )
    return [block for block, is_learnt in zip(blocks, flags, strict=True) if is_learnt]


BUILT_IN = ChatTemplate(BUILT_IN_TEMPLATE, BUILT_IN_TOKENS)


@lru_cache(maxsize=16)
def _end_token(template: ChatTemplate) -> str:
    probe = [Message("user", "a"), Message(ASSISTANT, _PROBE)]
    try:
        text = template._rendered(probe, False)
    except DataError as error:
        raise CheckpointError(
            f"the chat template cannot hold a question and an answer: {error}"
        ) from None
    place = text.rfind(_PROBE)
    names = special_names(template.special_tokens)
    found = None if place < 0 else next(names.found_in(text, place), None)
    if found is None:
        raise CheckpointError(
            "the chat template writes no special token of the tokenizer behind an answer, so a "
            "model could not learn to stop: give --chat-template with one there, such as <|end|>"
        )
    return found[0]
