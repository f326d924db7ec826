"""A character that a tokenizer has no id for, and what a user is told about it."""

from gptcli.errors import DataError, UsageError
from gptcli.runtime.escapes import named


class UnseenCharacterError(DataError):
    """A character for which the tokenizer has no id.

    Attributes:
        character: the character.
        offset: its place in the text, in characters from 0.
        why: what is wrong with it, as the end of a sentence.
        text_index: which of several texts that is.

    """

    def __init__(self, character: str, offset: int, why: str, text_index: int = 0) -> None:
        self.character = character
        self.offset = offset
        self.why = why
        self.text_index = text_index
        super().__init__(f"character {named(character)} at offset {offset:,} {why}")


def unseen_error(
    error: UnseenCharacterError,
    source: str,
    way_out: str,
    *,
    is_prompt: bool,
    place: str | None = None,
    origin: str | None = None,
) -> UsageError | DataError:
    """Return the error to raise for the text ``source``, with the way out.

    A prompt, or a text that is an argument itself, is a wrong argument (UsageError, exit code
    2); any other text is bad data (DataError, 3). ``place`` (default: the offset in characters)
    says where in the text the character is, ``origin`` whose vocabulary lacks it.
    """
    kind = UsageError if is_prompt else DataError
    where = f"offset {error.offset:,}" if place is None else place
    at = f" at {where}" if where else ""
    of = f" of {origin}" if origin else ""
    return kind(f"{source}: character {named(error.character)}{at} {error.why}{of}: {way_out}")
