"""The start of generated text: the ids of a prompt, or tokens to begin with."""

from dataclasses import dataclass

from gptcli.data.chat.chat_template import Message
from gptcli.generation.decoder import window_start
from gptcli.tokenization.tokenizer import Tokenizer
from gptcli.tokenization.unseen import UnseenCharacterError


@dataclass(frozen=True)
class Prompt:
    """The text before the generated one, and its ids, at least one.

    Of a chat they are the ids of its ``messages``, and no text is shown before the answer.
    """

    text: str
    ids: list[int]
    messages: tuple[Message, ...] = ()


@dataclass(frozen=True)
class Beginning:
    """The ids to begin with if there is no prompt, at least one; ``name`` is for messages."""

    ids: list[int]
    name: str


@dataclass(frozen=True)
class ContextUse:
    """How a prompt and new tokens fit into a context, all counted in tokens."""

    n_prompt: int
    n_new: int
    context: int

    @property
    def fits(self) -> bool:
        """Whether the model sees every token before the one that it predicts."""
        return self.n_prompt + self.n_new - 1 <= self.context  # the last is not fed back

    @property
    def n_seen(self) -> int:
        """How many tokens of the prompt the model sees at first: its last ones."""
        return self.n_prompt - window_start(self.n_prompt, self.context)

    @property
    def room(self) -> int:
        """How many new tokens fit after the prompt; 0 or less where the prompt is too long."""
        return self.context - self.n_prompt + 1


def beginning(tokenizer: Tokenizer) -> Beginning:
    """What a text begins after: its makers' first tokens, else an end of text or a line break."""
    before = list(tokenizer.template.before)
    if not before and tokenizer.start_of_text is not None:
        before = [tokenizer.start_of_text]
    end = tokenizer.end_of_text
    if before and before != [end]:
        return Beginning(before, " ".join(map(tokenizer.piece, before)))
    if end is not None:
        return Beginning([end], "an end-of-text token")
    if has_token(tokenizer, "\n") and len(ids := tokenizer.encode("\n")):
        return Beginning([int(ids[-1])], "a line break")
    return Beginning([0], "token 0")


def without_unseen(tokenizer: Tokenizer, text: str) -> tuple[str, list[str]]:
    """Remove the characters that have no token; returns the text, and those in order."""
    unseen = {one for one in set(text) if not has_token(tokenizer, one)}
    if not unseen:
        return text, []
    kept = "".join(one for one in text if one not in unseen)
    return kept, [one for one in text if one in unseen]


def has_token(tokenizer: Tokenizer, character: str) -> bool:
    """Whether the tokenizer can encode a character."""
    try:
        tokenizer.encode(character)
    except UnseenCharacterError:
        return False
    return True
