"""What a sample goes on from: a text and its ids, or a token to begin with."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gptcli.commands.view.terminal import note
from gptcli.config.sampling import SamplingConfig
from gptcli.errors import UsageError

if TYPE_CHECKING:
    from gptcli.generation.loaded_model import LoadedModel
    from gptcli.tokenization.tokenizer import Tokenizer

_STDIN = "-"
_MOST_NAMED = 5


@dataclass(frozen=True)
class Prompt:
    """Ids to start from, never none, and the text of them that belongs to the output."""

    text: str
    ids: list[int]


@dataclass(frozen=True)
class PromptSource:
    """A text as it was given, to the byte; ``name`` stands in messages."""

    text: str
    name: str


def read_prompt(prompt: str | None, file: Path | None, interactive: bool) -> PromptSource:
    """The text that is meant, which may be empty; errors as of ``read_bytes``."""
    from gptcli.data.source_text import decode_utf8, read_bytes

    if prompt is not None and file is not None:
        raise UsageError("--prompt and --prompt-file are two prompts: leave one of them out")
    if _STDIN in (prompt, str(file)):
        if interactive:
            raise UsageError("--interactive reads stdin itself: give the prompt in another way")
        return PromptSource(decode_utf8(sys.stdin.buffer.read(), "stdin"), "stdin")
    if file is not None:
        return PromptSource(decode_utf8(read_bytes(file), str(file)), str(file))
    return PromptSource(decode_utf8(os.fsencode(prompt or ""), "--prompt"), "--prompt")


def begun(loaded: "LoadedModel", source: PromptSource, skip_unknown: bool) -> Prompt:
    """The prompt in tokens; of an empty one, the token to begin with is said."""
    text, ids = encoded(loaded, source, skip_unknown)
    if ids:
        return Prompt(text, ids)
    number, name = _first_token(loaded.tokenizer)
    note(f"no prompt: starting after {name}")
    return Prompt("", [number])


def encoded(
    loaded: "LoadedModel", source: PromptSource, skip_unknown: bool
) -> tuple[str, list[int]]:
    """The text and its ids; UsageError for a character that has none, unless it is skipped."""
    from gptcli.tokenization.character_table import UnseenCharacterError

    text = _known(loaded.tokenizer, source.text) if skip_unknown else source.text
    try:
        return text, loaded.tokenizer.encode(text).tolist()
    except UnseenCharacterError as error:
        raise UsageError(
            f"{source.name}: {error}: leave it out, give --skip-unknown, or train on text "
            "that has it"
        ) from error


def announce_window(loaded: "LoadedModel", n_prompt: int, config: SamplingConfig) -> bool:
    """Say that not all tokens fit the context, where that is so; returns whether it is.

    UsageError with ``overflow`` "error".
    """
    context = loaded.model.config.block_size
    if n_prompt + config.max_new_tokens - 1 <= context:  # the last is not fed back
        return False
    if config.overflow == "error":
        raise UsageError(_overflow(n_prompt, config.max_new_tokens, context))
    if n_prompt > context:
        from gptcli.generation.decoder import window_start

        seen = n_prompt - window_start(n_prompt, context)
        note(
            f"the prompt's {n_prompt:,} tokens are more than the context of {context:,}: "
            f"the model sees the last {seen:,} of them, then a moving window"
        )
    else:
        note(f"longer than the context of {context:,} tokens: the model sees a moving window")
    return True


def _overflow(n_prompt: int, n_new: int, context: int) -> str:
    room = context - n_prompt + 1
    way_out = f"-n {room} fits" if room > 0 else "shorten the prompt"
    return (
        f"--overflow error: a prompt of {n_prompt:,} token{'s' * (n_prompt != 1)} and {n_new:,} "
        f"more exceed the context of {context:,}: {way_out}"
    )


def _known(tokenizer: "Tokenizer", text: str) -> str:
    """The text without the characters that have no token, which are said."""
    from gptcli.runtime.text import named

    unknown = {one for one in set(text) if not _has(tokenizer, one)}
    if not unknown:
        return text
    listed = [named(one) for one in sorted(unknown)]
    shown = ", ".join(listed[:_MOST_NAMED]) + (", ..." if len(listed) > _MOST_NAMED else "")
    count = sum(one in unknown for one in text)
    note(f"left out {count:,} character{'s' * (count > 1)} without a token: {shown}")
    return "".join(one for one in text if one not in unknown)


def _has(tokenizer: "Tokenizer", character: str) -> bool:
    from gptcli.tokenization.character_table import UnseenCharacterError

    try:
        tokenizer.encode(character)
    except UnseenCharacterError:
        return False
    return True


def _first_token(tokenizer: "Tokenizer") -> tuple[int, str]:
    """Where a text begins: after the end of another, else after a line break."""
    if tokenizer.end_of_text is not None:
        return tokenizer.end_of_text, "an end-of-text token"
    if _has(tokenizer, "\n") and len(ids := tokenizer.encode("\n")):
        return int(ids[-1]), "a line break"
    return 0, "token 0"
