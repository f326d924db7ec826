"""Reading and encoding the prompt of ``sample``, with notes for the user."""

import os
import sys
from dataclasses import dataclass

from gptcli.commands.sample.command import SampleRequest
from gptcli.commands.view.terminal import note
from gptcli.data.source_text import decode_utf8, read_bytes
from gptcli.errors import UsageError
from gptcli.generation.loaded_model import LoadedModel
from gptcli.generation.prompt import ContextUse, Prompt, first_token, without_unseen
from gptcli.runtime.escapes import named
from gptcli.tokenization.tokenizer import Tokenizer
from gptcli.tokenization.unseen import UnseenCharacterError, unseen_error

_MOST_NAMED = 5


@dataclass(frozen=True)
class PromptSource:
    """A prompt exactly as it was given; ``name`` is for messages."""

    text: str
    name: str


def read_prompt(request: SampleRequest) -> PromptSource:
    """Read the prompt, which may be empty; raises what ``read_bytes`` does."""
    if request.reads_stdin:
        return PromptSource(decode_utf8(sys.stdin.buffer.read(), "stdin"), "stdin")
    file = request.prompt_file
    if file is not None:
        return PromptSource(decode_utf8(read_bytes(file), str(file)), str(file))
    return PromptSource(decode_utf8(os.fsencode(request.prompt or ""), "--prompt"), "--prompt")


def begun(loaded: LoadedModel, source: PromptSource, skip_unknown: bool) -> Prompt:
    """Encode the prompt; for an empty one, choose a first token, which a note tells."""
    text, ids = encoded(loaded, source, skip_unknown)
    if ids:
        return Prompt(text, ids)
    start = first_token(loaded.tokenizer)
    note(f"no prompt: starting after {start.name}")
    return Prompt("", [start.id])


def encoded(loaded: LoadedModel, source: PromptSource, skip_unknown: bool) -> tuple[str, list[int]]:
    """The text and its ids; UsageError for a character without an id, unless it is skipped."""
    text = _known(loaded.tokenizer, source.text) if skip_unknown else source.text
    try:
        return text, loaded.tokenizer.encode(text).tolist()
    except UnseenCharacterError as error:
        remedy = "leave it out, give --skip-unknown, or train on text that has it"
        raise unseen_error(error, source.name, remedy, is_prompt=True) from error


def announce_window(use: ContextUse, overflow: str) -> bool:
    """Tell the user if not all tokens fit the context; returns whether that is so.

    Raises UsageError instead if ``overflow`` is "error".
    """
    if use.fits:
        return False
    if overflow == "error":
        raise UsageError(_overflow(use))
    if use.n_prompt > use.context:
        note(
            f"the prompt's {use.n_prompt:,} tokens are more than the context of {use.context:,}: "
            f"the model sees the last {use.n_seen:,} of them, then a moving window"
        )
    else:
        note(f"longer than the context of {use.context:,} tokens: the model sees a moving window")
    return True


def _overflow(use: ContextUse) -> str:
    remedy = f"-n {use.room} fits" if use.room > 0 else "shorten the prompt"
    return (
        f"--overflow error: a prompt of {use.n_prompt:,} token{'s' * (use.n_prompt != 1)} and "
        f"{use.n_new:,} more exceed the context of {use.context:,}: {remedy}"
    )


def _known(tokenizer: Tokenizer, text: str) -> str:
    """The text without the characters that have no token, which a note lists."""
    kept, unseen = without_unseen(tokenizer, text)
    if unseen:
        listed = [named(one) for one in sorted(set(unseen))]
        shown = ", ".join(listed[:_MOST_NAMED]) + (", ..." if len(listed) > _MOST_NAMED else "")
        count = len(unseen)
        note(f"left out {count:,} character{'s' * (count > 1)} without a token: {shown}")
    return kept
