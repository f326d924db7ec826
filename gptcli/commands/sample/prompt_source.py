"""Reading and encoding the prompt of ``sample``, with notes for the user."""

from pathlib import Path

from gptcli.commands.sample.command import SampleRequest
from gptcli.commands.user_text import explaining_unseen, given_text
from gptcli.commands.view.terminal import note
from gptcli.data.source_text import STDIN, SourceText
from gptcli.errors import UsageError
from gptcli.generation.loaded_model import LoadedModel
from gptcli.generation.prompt import ContextUse, Prompt, beginning, without_unseen
from gptcli.runtime.escapes import named
from gptcli.tokenization.tokenizer import Tokenizer

_MOST_NAMED = 5


def read_prompt(request: SampleRequest) -> SourceText:
    """Read the prompt, which may be empty; raises what ``read_text`` does."""
    file = Path(STDIN) if request.reads_stdin else request.prompt_file
    return given_text("--prompt", request.prompt, file)


def begun(loaded: LoadedModel, source: SourceText, skip_unknown: bool) -> Prompt:
    """Encode the prompt; for an empty one, choose first tokens, which a note tells."""
    text, ids = encoded(loaded, source, skip_unknown)
    if ids:
        return Prompt(text, [*loaded.tokenizer.template.before, *ids])
    start = beginning(loaded.tokenizer)
    note(f"no prompt: starting after {start.name}")
    return Prompt("", start.ids)


def encoded(loaded: LoadedModel, source: SourceText, skip_unknown: bool) -> tuple[str, list[int]]:
    """The text and its ids; UsageError for a character without an id, unless it is skipped."""
    text = _known(loaded.tokenizer, source.text) if skip_unknown else source.text
    remedy = "leave it out, add --skip-unknown, or train on text that has it"
    with explaining_unseen(source, remedy, is_prompt=True):
        return text, loaded.tokenizer.encode(text).tolist()


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
            f"the prompt has {use.n_prompt:,} tokens, more than the context of {use.context:,}: "
            f"the model sees the last {use.n_seen:,}, then a moving window"
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
