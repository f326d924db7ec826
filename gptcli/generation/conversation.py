"""A text that a user and a model write in turns."""

from collections.abc import Generator
from dataclasses import replace

from gptcli.config.sampling import SamplingConfig
from gptcli.generation.decoder import Decoder
from gptcli.generation.generate import TextGenerator
from gptcli.generation.loaded_model import LoadedModel
from gptcli.generation.prompt import ContextUse
from gptcli.runtime.seeds import derive_seed


class Conversation:
    """Keeps the ids of the text so far, and a decoder that reads only the new ones."""

    def __init__(self, loaded: LoadedModel, config: SamplingConfig) -> None:
        self.ids: list[int] = []
        self._loaded = loaded
        self._config = config
        self._decoder: Decoder | None = None
        self._n_turns = 0

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
        loaded = self._loaded
        self._decoder = self._decoder or Decoder(loaded.model, 1, loaded.device)
        generator = TextGenerator(loaded, self.ids, self._turn_config(), self._decoder)
        try:
            yield from generator.pieces()
        finally:
            generator.close()
            self.add(self._kept(generator))

    def _turn_config(self) -> SamplingConfig:
        """The configuration of the next turn: each has its own seed, the first the given one."""
        seed, number = self._config.seed, self._n_turns
        self._n_turns += 1
        return replace(self._config, seed=derive_seed(seed, "turn", number) if number else seed)

    def _kept(self, generator: TextGenerator) -> list[int]:
        """The ids of the text that was shown, without a stop string or an end of text."""
        sample = generator.samples[0]
        if sample.finish == "stop":
            ids: list[int] = self._loaded.tokenizer.encode(sample.text).tolist()
            return ids
        return sample.ids[:-1] if sample.finish == "end_of_text" else sample.ids
