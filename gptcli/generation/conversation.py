"""A text that a user and a model write in turns."""

from collections.abc import Generator
from dataclasses import replace

from gptcli.config.sampling import SamplingConfig
from gptcli.generation.decoder import Decoder
from gptcli.generation.generate import TextGenerator
from gptcli.generation.loaded_model import LoadedModel
from gptcli.generation.prompt import ContextUse
from gptcli.runtime.seeds import derive_seed


class TurnWriter:
    """Writes the model's turns of a growing text; its decoder reads only what is new.

    Each turn has its own seed, the first the given one.
    """

    def __init__(self, loaded: LoadedModel, config: SamplingConfig) -> None:
        self._loaded = loaded
        self._config = config
        self._decoder: Decoder | None = None
        self._n_turns = 0

    def begin(self, ids: list[int]) -> TextGenerator:
        """What generates the turn after the text of these ids."""
        loaded, config, number = self._loaded, self._config, self._n_turns
        self._decoder = self._decoder or Decoder(loaded.model, 1, loaded.device)
        self._n_turns += 1
        if number:
            config = replace(config, seed=derive_seed(config.seed, "turn", number))
        return TextGenerator(loaded, ids, config, self._decoder)


class Conversation:
    """Keeps the ids of a text that a user and a model write in turns."""

    def __init__(self, loaded: LoadedModel, config: SamplingConfig) -> None:
        self.ids: list[int] = []
        self._loaded = loaded
        self._config = config
        self._writer = TurnWriter(loaded, config)

    def add(self, ids: list[int]) -> None:
        """Append what the user wrote."""
        self.ids = self.ids + ids

    @property
    def context_use(self) -> ContextUse:
        """How the text so far and the next turn fit into the model's context."""
        context = self._loaded.model.config.block_size
        return ContextUse(len(self.ids), self._config.max_new_tokens, context)

    def go_on(self) -> Generator[str, None, None]:
        """Generate the model's turn in pieces of text.

        The turn is added to the text so far, also if it is interrupted.
        """
        generator = self._writer.begin(self.ids)
        try:
            yield from generator.pieces()
        finally:
            generator.close()
            self.add(self._kept(generator))

    def _kept(self, generator: TextGenerator) -> list[int]:
        """The ids of the text that was shown, without a stop string or an end of text."""
        sample = generator.samples[0]
        if sample.finish == "stop":
            ids: list[int] = self._loaded.tokenizer.encode(sample.text).tolist()
            return ids
        return sample.ids[:-1] if sample.finish == "end_of_text" else sample.ids
