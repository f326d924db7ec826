"""The start of generated text: the ids of a prompt, or a token to begin with."""

from dataclasses import dataclass

from gptcli.generation.decoder import window_start
from gptcli.tokenization.tokenizer import Tokenizer
from gptcli.tokenization.unseen import UnseenCharacterError


@dataclass(frozen=True)
class Prompt:
    """The text before the generated one, and its ids, at least one."""

    text: str
    ids: list[int]


@dataclass(frozen=True)
class FirstToken:
    """The token to begin with if there is no prompt; ``name`` is for messages."""

    id: int
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


def first_token(tokenizer: Tokenizer) -> FirstToken:
    """The token after which a text begins: an end of text, else a line break, else token 0."""
    if tokenizer.end_of_text is not None:
        return FirstToken(tokenizer.end_of_text, "an end-of-text token")
    if has_token(tokenizer, "\n") and len(ids := tokenizer.encode("\n")):
        return FirstToken(int(ids[-1]), "a line break")
    return FirstToken(0, "token 0")


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
