"""``sample --interactive``: a text that the user and the model write in turns."""

import contextlib

from gptcli.commands.sample.prompt_source import PromptSource, announce_window, begun, encoded
from gptcli.commands.view.answer import Answer
from gptcli.commands.view.output import Output
from gptcli.commands.view.terminal import complain, note, typed_lines
from gptcli.commands.view.writer import give
from gptcli.config.sampling import SamplingConfig
from gptcli.errors import DataError, UsageError
from gptcli.generation.conversation import Conversation
from gptcli.generation.loaded_model import LoadedModel

_ASK = "> "
_LINE_BREAK = "\\n"


class _Dialogue:
    """The conversation, and what is said about it."""

    def __init__(self, loaded: LoadedModel, config: SamplingConfig, skip_unknown: bool) -> None:
        self._loaded = loaded
        self._overflow = config.overflow
        self._skip_unknown = skip_unknown
        self._conversation = Conversation(loaded, config)
        self._window_is_said = False

    def take_turn(self, source: PromptSource) -> None:
        """Show what the model writes after ``source``, or what is wrong with that."""
        conversation = self._conversation
        try:
            conversation.add(self._ids(source))
            if not self._window_is_said:
                self._window_is_said = announce_window(conversation.context_use, self._overflow)
            with contextlib.closing(conversation.go_on()) as pieces:
                give(Answer(pieces=pieces), Output("text"))
        except (UsageError, DataError) as error:
            complain(str(error))
        except KeyboardInterrupt:
            note("stopped")

    def _ids(self, source: PromptSource) -> list[int]:
        """UsageError for a character that has no token."""
        if self._conversation.ids:
            return encoded(self._loaded, source, self._skip_unknown)[1]
        return begun(self._loaded, source, self._skip_unknown).ids


def converse(
    loaded: LoadedModel, config: SamplingConfig, first: PromptSource, skip_unknown: bool
) -> None:
    """Write on from ``first`` if there is any, then in turns until stdin ends."""
    note(
        f"type what comes next, {_LINE_BREAK} for a line break, nothing to go on; "
        "Ctrl-C stops a text, Ctrl-D leaves"
    )
    dialogue = _Dialogue(loaded, config, skip_unknown)
    if first.text:
        dialogue.take_turn(first)
    for line in typed_lines(_ASK):
        with contextlib.suppress(KeyboardInterrupt):  # of an impatient second Ctrl-C
            dialogue.take_turn(PromptSource(line.replace(_LINE_BREAK, "\n"), "this line"))
