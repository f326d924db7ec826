"""``sample --interactive``: a text or a chat that the user and the model write in turns."""

import contextlib
from collections.abc import Callable, Generator

from gptcli.commands.sample.chat_prompt import system_message
from gptcli.commands.sample.command import SampleRequest
from gptcli.commands.sample.prompt_source import announce_window, begun, encoded
from gptcli.commands.view.answer import Answer
from gptcli.commands.view.output import Output
from gptcli.commands.view.terminal import complain, note, typed_lines
from gptcli.commands.view.writer import give
from gptcli.config.sampling import SamplingConfig
from gptcli.data.source_text import SourceText
from gptcli.errors import DataError, UsageError
from gptcli.generation.chat import ChatConversation
from gptcli.generation.conversation import Conversation
from gptcli.generation.loaded_model import LoadedModel
from gptcli.generation.prompt import ContextUse

_ASK = "> "
_LINE_BREAK = "\\n"


class _Dialogue:
    """Shows turns of the user and the model, with notes and errors.

    ``hear`` takes what the user typed, ``speak`` gives the model's turn in pieces.
    """

    def __init__(
        self,
        hear: Callable[[SourceText], ContextUse],
        speak: Callable[[], Generator[str, None, None]],
        overflow: str,
    ) -> None:
        self._hear = hear
        self._speak = speak
        self._overflow = overflow
        self._has_announced_window = False

    def take_turn(self, source: SourceText) -> None:
        """Show the model's turn after ``source``, or the error in it."""
        try:
            use = self._hear(source)
            if not self._has_announced_window:
                self._has_announced_window = announce_window(use, self._overflow)
            with contextlib.closing(self._speak()) as pieces:
                give(Answer(pieces=pieces), Output("text"))
        except (UsageError, DataError) as error:
            complain(str(error))
        except KeyboardInterrupt:
            note("stopped")

    def listen(self, first: SourceText, takes_empty: bool) -> None:
        """Take a turn after ``first``, unless it is empty, and then after each line of stdin."""
        if first.text:
            self.take_turn(first)
        for line in typed_lines(_ASK):
            if not line and not takes_empty:
                continue
            with contextlib.suppress(KeyboardInterrupt):  # of an impatient second Ctrl-C
                self.take_turn(SourceText("this line", line.replace(_LINE_BREAK, "\n")))


def converse(
    loaded: LoadedModel, config: SamplingConfig, first: SourceText, skip_unknown: bool
) -> None:
    """Let the model continue ``first``, unless it is empty; then take turns until stdin ends."""
    conversation = Conversation(loaded, config)

    def hear(source: SourceText) -> ContextUse:
        if conversation.ids:
            conversation.add(encoded(loaded, source, skip_unknown)[1])
        else:
            conversation.add(begun(loaded, source, skip_unknown).ids)
        return conversation.context_use

    note(
        f"type the next text; {_LINE_BREAK} is a line break, an empty line lets the model "
        "continue; Ctrl-C ends its turn, Ctrl-D ends the session"
    )
    _Dialogue(hear, conversation.go_on, config.overflow).listen(first, takes_empty=True)


def hold_chat(request: SampleRequest, loaded: LoadedModel, first: SourceText) -> None:
    """Let the model answer ``first``, unless it is empty, and then each line until stdin ends."""
    config = request.sampling_config()
    conversation = ChatConversation(loaded, config, system_message(request, loaded))

    def hear(source: SourceText) -> ContextUse:
        return conversation.ask(encoded(loaded, source, request.skip_unknown)[0])

    note(
        f"type a question; {_LINE_BREAK} is a line break; Ctrl-C ends an answer, Ctrl-D ends the "
        "session"
    )
    _Dialogue(hear, conversation.answer, config.overflow).listen(first, takes_empty=False)
