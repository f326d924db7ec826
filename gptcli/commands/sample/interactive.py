"""``sample --interactive``: a text that the user and the model write in turns."""

import contextlib
import io
import sys
from collections.abc import Generator
from dataclasses import replace
from typing import TYPE_CHECKING

from gptcli.commands.sample.prompt import PromptSource, announce_window, begun, encoded
from gptcli.commands.sample.stream import end_line, show
from gptcli.commands.view.terminal import complain, note
from gptcli.errors import DataError, UsageError

if TYPE_CHECKING:
    from gptcli.config.sampling import SamplingConfig
    from gptcli.generation.decoder import Decoder
    from gptcli.generation.generator import TextGenerator
    from gptcli.generation.loaded_model import LoadedModel

_ASK = "> "
_LINE_BREAK = "\\n"


class Conversation:
    """The text so far, in tokens, and what comes next."""

    def __init__(self, loaded: "LoadedModel", config: "SamplingConfig", skip_unknown: bool) -> None:
        self._loaded = loaded
        self._config = config
        self._skip_unknown = skip_unknown
        self._ids: list[int] = []
        self._reader: Decoder | None = None
        self._n_turns = 0
        self._window_is_said = False

    def add(self, source: PromptSource) -> None:
        """Append what the user gave; UsageError for a character that has no token."""
        if self._ids:
            self._ids += encoded(self._loaded, source, self._skip_unknown)[1]
        else:
            self._ids = begun(self._loaded, source, self._skip_unknown).ids

    def go_on(self) -> Generator[str, None, None]:
        """What the model writes next; what has come is part of the text also if it is stopped."""
        from gptcli.generation.decoder import Decoder
        from gptcli.generation.generator import TextGenerator

        loaded = self._loaded
        self._reader = self._reader or Decoder(loaded.model, 1, loaded.device)
        if not self._window_is_said:
            self._window_is_said = announce_window(loaded, len(self._ids), self._config)
        writer = TextGenerator(loaded, self._ids, self._turn_config(), self._reader)
        try:
            yield from writer.pieces()
        finally:
            writer.close()
            self._ids = self._ids + self._kept(writer)

    def _turn_config(self) -> "SamplingConfig":
        """Every turn draws anew; the first as without --interactive."""
        from gptcli.runtime.seeds import derive_seed

        seed, number = self._config.seed, self._n_turns
        self._n_turns += 1
        return replace(self._config, seed=derive_seed(seed, "turn", number) if number else seed)

    def _kept(self, writer: "TextGenerator") -> list[int]:
        """The ids of what was shown: not those of a stop string or of an end."""
        sample = writer.samples[0]
        if sample.finish == "stop":
            ids: list[int] = self._loaded.tokenizer.encode(sample.text).tolist()
            return ids
        return sample.ids[:-1] if sample.finish == "end_of_text" else sample.ids


def converse(conversation: Conversation, first: PromptSource) -> None:
    """Write on from ``first`` if there is any, then in turns until stdin ends."""
    with contextlib.suppress(ImportError):  # Windows: its console edits lines itself
        import readline  # noqa: F401  history and editing for input()
    if isinstance(sys.stdin, io.TextIOWrapper):  # a byte that is no text ends nothing
        sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape")
    note(
        f"type what comes next, {_LINE_BREAK} for a line break, nothing to go on; "
        "Ctrl-C stops a text, Ctrl-D leaves"
    )
    if first.text:
        _take_turn(conversation, first)
    while (line := _ask()) is not None:
        with contextlib.suppress(KeyboardInterrupt):  # of an impatient second Ctrl-C
            _take_turn(conversation, PromptSource(line.replace(_LINE_BREAK, "\n"), "this line"))


def _take_turn(conversation: Conversation, source: PromptSource) -> None:
    try:
        conversation.add(source)
        with contextlib.closing(conversation.go_on()) as pieces:
            show(pieces)
    except (UsageError, DataError) as error:
        complain(str(error))
    except KeyboardInterrupt:
        note("stopped")


def _ask() -> str | None:
    """The next line; None at the end of the input. Ctrl-C begins the line anew."""
    while True:
        try:
            return _read_line()
        except KeyboardInterrupt:
            with contextlib.suppress(KeyboardInterrupt):
                end_line()


def _read_line() -> str | None:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        line = sys.stdin.readline()
        return line.removesuffix("\n").removesuffix("\r") if line else None
    try:
        return input(_ASK)
    except EOFError:
        end_line()
        return None
