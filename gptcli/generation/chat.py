"""A model that answers: prompts written by its chat template, and conversations in turns."""

from collections.abc import Generator, Sequence
from dataclasses import replace

from gptcli.checkpoint.model_files import end_of_turn
from gptcli.config.sampling import SamplingConfig
from gptcli.data.chat.chat_template import ASSISTANT, ChatTemplate, Message
from gptcli.data.chat.encoding import encode_parts
from gptcli.errors import UsageError
from gptcli.generation.conversation import TurnWriter
from gptcli.generation.loaded_model import LoadedModel
from gptcli.generation.prompt import ContextUse
from gptcli.runtime.escapes import typed
from gptcli.tokenization.tokenizer import Tokenizer


def answering(loaded: LoadedModel) -> LoadedModel:
    """The same model, whose texts also end where its chat template ends an assistant's turn.

    UsageError where its directory has no chat template, CheckpointError where that is of no use.
    """
    end = end_of_turn(loaded.tokenizer)
    if end is None:
        raise UsageError(
            f"{loaded.directory} has no chat template, as directories have that learnt from "
            "conversations: leave out --chat and --system, or teach it, with gptcli prepare "
            f"instructions --tokenizer {typed(loaded.directory)} and gptcli train --init-from "
            f"{typed(loaded.directory)}"
        )
    return replace(loaded, end_ids=loaded.end_ids | {end})


def chat_ids(tokenizer: Tokenizer, messages: Sequence[Message]) -> list[int]:
    """The ids of a conversation up to where the assistant's next turn begins.

    Raises DataError where the chat template refuses the messages.
    """
    template = ChatTemplate.of(tokenizer)
    assert template is not None, "see answering"
    parts = template.render(messages, add_generation_prompt=True)
    ids: list[int] = encode_parts(tokenizer, parts).tolist()
    return ids


class ChatConversation:
    """Keeps the messages so far; every answer is drawn after the whole conversation.

    The decoder reads only what is new in it.
    """

    def __init__(
        self, loaded: LoadedModel, config: SamplingConfig, before: Sequence[Message] = ()
    ) -> None:
        self.messages = [*before]
        self._loaded = loaded
        self._config = config
        self._writer = TurnWriter(loaded, config)

    def ask(self, content: str) -> ContextUse:
        """Append what the user says; returns how the conversation and an answer fit.

        It replaces a question that was not answered.
        """
        is_unanswered = self.messages and self.messages[-1].role == "user"
        before = self.messages[:-1] if is_unanswered else self.messages
        messages = [*before, Message("user", content)]
        ids = chat_ids(self._loaded.tokenizer, messages)
        self.messages = messages
        context = self._loaded.model.config.block_size
        return ContextUse(len(ids), self._config.max_new_tokens, context)

    def answer(self) -> Generator[str, None, None]:
        """Generate the answer in pieces of text; it counts also if it is interrupted."""
        generator = self._writer.begin(chat_ids(self._loaded.tokenizer, self.messages))
        try:
            yield from generator.pieces()
        finally:
            generator.close()
            self.messages.append(Message(ASSISTANT, self._said(generator.samples[0].text)))

    def _said(self, shown: str) -> str:
        """An answer without the special tokens that the model wrote in it, which are no text."""
        for name in self._loaded.tokenizer.special_tokens:
            shown = shown.replace(name, "")
        return shown
