"""The error for a character without an id, and its message for the user."""

from gptcli.errors import DataError, UsageError
from gptcli.runtime.escapes import named


class UnseenCharacterError(DataError):
    """A character for which the tokenizer has no id.

    Attributes:
        character: the character.
        offset: its place in the text, in characters from 0.
        why: what is wrong with it, as the end of a sentence.
        text_index: the number of the text, if there are several.

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
    remedy: str,
    *,
    is_prompt: bool,
    place: str | None = None,
    origin: str | None = None,
) -> UsageError | DataError:
    """Return the error to raise for the text ``source``, with a ``remedy``.

    A prompt, or a text on the command line, is a wrong argument (UsageError, exit code 2); any
    other text is bad data (DataError, exit code 3). ``place`` is where the character is (default:
    its offset), ``origin`` the tokenizer's, for the message.
    """
    kind = UsageError if is_prompt else DataError
    where = f"offset {error.offset:,}" if place is None else place
    at = f" at {where}" if where else ""
    of = f" of {origin}" if origin else ""
    return kind(f"{source}: character {named(error.character)}{at} {error.why}{of}: {remedy}")
