"""Generated ids as text, whole characters only."""

from collections.abc import Callable, Iterator

from gptcli.config.sampling import SamplingConfig
from gptcli.data.tokenization.decoding import decode_blocks
from gptcli.inference.generation import generate
from gptcli.inference.loading import LoadedModel


class Writer:
    """Generates with a loaded model and decodes what comes."""

    def __init__(self, loaded: LoadedModel, prompt: list[int], config: SamplingConfig) -> None:
        self._tokenizer = loaded.tokenizer
        n_tokens = loaded.tokenizer.vocab_size
        self._steps = generate(loaded.model, prompt, config, loaded.device, n_tokens=n_tokens)
        self._num_samples = config.num_samples

    def pieces(self) -> Iterator[str]:
        """The text of the first sample as it grows."""
        ids = ([int(new[0])] for new in self._steps)
        return (text for text, _ in decode_blocks(self._tokenizer, ids) if text)

    def texts(self, advance: Callable[[], None]) -> list[str]:
        """Every sample's whole text; ``advance`` is called at each token."""
        written: list[list[int]] = [[] for _ in range(self._num_samples)]
        for new in self._steps:
            for ids, one in zip(written, new.tolist(), strict=True):
                ids.append(one)
            advance()
        return [self._tokenizer.decode(ids) for ids in written]
