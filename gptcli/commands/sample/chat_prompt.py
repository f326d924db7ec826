"""Whether ``sample`` is a chat, and the prompt of one: what the user and --system say."""

from collections.abc import Sequence
from dataclasses import replace

from gptcli.commands.sample.command import SampleRequest
from gptcli.commands.sample.prompt_source import encoded
from gptcli.commands.user_text import given_text
from gptcli.commands.view.terminal import note
from gptcli.data.chat.chat_template import Message
from gptcli.data.source_text import SourceText
from gptcli.errors import CheckpointError, DataError, UsageError
from gptcli.generation.chat import answering, chat_ids
from gptcli.generation.loaded_model import LoadedModel
from gptcli.generation.prompt import Prompt


def answering_if_asked(
    request: SampleRequest, loaded: LoadedModel, source: SourceText
) -> LoadedModel | None:
    """The model for a chat; None where the text of the prompt is to be continued.

    It is a chat where the model's directory has a chat template and there is something to answer,
    unless the flags say otherwise; a note tells so.
    """
    if request.chat is False:
        return None
    is_asked = request.chat is True or request.system is not None
    if not is_asked and loaded.tokenizer.chat_template is None:
        return None
    if not source.text and not request.interactive:
        if is_asked:
            raise UsageError("a chat needs something to answer: give --prompt or --interactive")
        return None
    try:
        found = answering(loaded)
    except CheckpointError as error:
        if is_asked:
            raise CheckpointError(f"{loaded.directory}: {error}; or use --no-chat") from None
        note(f"{loaded.directory}: {error}; the prompt is continued as a text")
        return None
    what = "each line" if request.interactive else "the prompt"
    note(
        f"chat: {what} is a turn of the user, as {loaded.directory.as_posix()} has a chat "
        "template; --no-chat continues it as a text"
    )
    return found


def system_message(request: SampleRequest, loaded: LoadedModel) -> list[Message]:
    """The message of --system, if there is one; UsageError where the chat template refuses it."""
    if request.system is None:
        return []
    source = given_text("--system", request.system, None)
    said = [Message("system", encoded(loaded, source, request.skip_unknown)[0])]
    probe = Message("user", "")
    asked_ids(loaded, [probe])
    try:
        asked_ids(loaded, [*said, probe])
    except UsageError as error:
        raise UsageError(f"--system: {error}; leave it out") from None
    return said


def asked(request: SampleRequest, loaded: LoadedModel, source: SourceText) -> Prompt:
    """The prompt of a chat, of which nothing is shown but the answer.

    The line break at the end of a file, as echo writes it, is no part of a question.
    """
    if request.reads_stdin or request.prompt_file is not None:
        source = replace(source, text=source.text.removesuffix("\n"))
    text, _ = encoded(loaded, source, request.skip_unknown)
    messages = [*system_message(request, loaded), Message("user", text)]
    return Prompt("", asked_ids(loaded, messages), tuple(messages))


def asked_ids(loaded: LoadedModel, messages: Sequence[Message]) -> list[int]:
    """The ids of a prompt; UsageError where the chat template refuses the messages."""
    try:
        return chat_ids(loaded.tokenizer, messages)
    except DataError as error:
        raise UsageError(str(error)) from None
