"""``sample --interactive``: a text that the user and the model write in turns."""

import contextlib

from gptcli.commands.sample.prompt_source import announce_window, begun, encoded
from gptcli.commands.view.answer import Answer
from gptcli.commands.view.output import Output
from gptcli.commands.view.terminal import complain, note, typed_lines
from gptcli.commands.view.writer import give
from gptcli.config.sampling import SamplingConfig
from gptcli.data.source_text import SourceText
from gptcli.errors import DataError, UsageError
from gptcli.generation.conversation import Conversation
from gptcli.generation.loaded_model import LoadedModel

_ASK = "> "
_LINE_BREAK = "\\n"


class _Dialogue:
    """Shows a conversation, with notes and errors."""

    def __init__(self, loaded: LoadedModel, config: SamplingConfig, skip_unknown: bool) -> None:
        self._loaded = loaded
        self._overflow = config.overflow
        self._skip_unknown = skip_unknown
        self._conversation = Conversation(loaded, config)
        self._has_announced_window = False

    def take_turn(self, source: SourceText) -> None:
        """Show the model's turn after ``source``, or the error in it."""
        conversation = self._conversation
        try:
            conversation.add(self._ids(source))
            if not self._has_announced_window:
                use = conversation.context_use
                self._has_announced_window = announce_window(use, self._overflow)
            with contextlib.closing(conversation.go_on()) as pieces:
                give(Answer(pieces=pieces), Output("text"))
        except (UsageError, DataError) as error:
            complain(str(error))
        except KeyboardInterrupt:
            note("stopped")

    def _ids(self, source: SourceText) -> list[int]:
        """Encode the user's text; UsageError for a character that has no token."""
        if self._conversation.ids:
            return encoded(self._loaded, source, self._skip_unknown)[1]
        return begun(self._loaded, source, self._skip_unknown).ids


def converse(
    loaded: LoadedModel, config: SamplingConfig, first: SourceText, skip_unknown: bool
) -> None:
    """Let the model continue ``first``, unless it is empty; then take turns until stdin ends."""
    note(
        f"type the next text; {_LINE_BREAK} is a line break, an empty line lets the model "
        "continue; Ctrl-C ends its turn, Ctrl-D ends the session"
    )
    dialogue = _Dialogue(loaded, config, skip_unknown)
    if first.text:
        dialogue.take_turn(first)
    for line in typed_lines(_ASK):
        with contextlib.suppress(KeyboardInterrupt):  # of an impatient second Ctrl-C
            dialogue.take_turn(SourceText("this line", line.replace(_LINE_BREAK, "\n")))
