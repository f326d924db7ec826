"""Generation: prefill the prompt, then decode one token at a time with cached keys and values.

``generate`` yields ids; TextGenerator makes the texts of a loaded model from them.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gptcli.config.sampling import SamplingConfig
from gptcli.generation.alternatives import Alternatives, alternatives, model_logprobs
from gptcli.generation.decoder import Decoder
from gptcli.generation.distribution import draw, next_token_probabilities
from gptcli.generation.growing_text import GrowingText
from gptcli.generation.loaded_model import LoadedModel
from gptcli.runtime.seeds import derive_seed


@dataclass(frozen=True)
class GenerationStep:
    """A new token for every sample.

    Attributes:
        ids: the tokens (B,).
        logits: the model's output (B, V).
        probabilities: the distribution that ids were drawn from (B, V).

    """

    ids: Tensor
    logits: Tensor
    probabilities: Tensor


@torch.inference_mode()
def generate(
    decoder: Decoder,
    prompt: list[int],
    config: SamplingConfig,
    n_tokens: int | None = None,
    never: Sequence[int] = (),
) -> Iterator[GenerationStep]:
    """Yield ``max_new_tokens`` steps, each a new token for all of ``num_samples``.

    ``decoder`` has as many rows, and may hold a part of the text already. Sample i has its own
    random generator, so it is the same whatever the number of samples. Only ids below
    ``n_tokens`` are drawn, and of these none of ``never``: published models have more outputs
    than their tokenizers have tokens.
    """
    assert prompt, "a prompt needs at least one token"
    generators = [
        torch.Generator().manual_seed(derive_seed(config.seed, "sample", index))
        for index in range(config.num_samples)
    ]
    ids = torch.tensor([prompt] * config.num_samples)  # (B, tokens so far)
    excluded = torch.tensor(never, dtype=torch.long)
    decoder.go_back_to(ids)
    for _ in range(config.max_new_tokens):
        logits = decoder.next_logits(ids)[:, :n_tokens]
        if never:
            logits = logits.index_fill(1, excluded, -torch.inf)
        probabilities = next_token_probabilities(logits, ids, config)
        new = draw(probabilities, generators)
        ids = torch.cat([ids, new[:, None]], dim=1)
        yield GenerationStep(new, logits, probabilities)


class TextGenerator:
    """Generates samples from a prompt; each of ``samples`` grows step by step.

    A ``decoder`` that is passed from one generator to the next reads the common beginning of
    their texts once. ``logprobs`` holds the alternatives of each token of each sample, if the
    configuration asks for them; ``seconds`` is the time spent on generating.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        prompt: list[int],
        config: SamplingConfig,
        decoder: Decoder | None = None,
    ) -> None:
        tokenizer = loaded.tokenizer
        ends = () if config.ignore_eos else loaded.end_ids
        self._config = config
        self.seconds = 0.0
        self.decoder = decoder or Decoder(
            loaded.model,
            config.num_samples,
            loaded.device,
            longest=len(prompt) + config.max_new_tokens,
        )
        missing = tokenizer.missing_ids
        self._steps = generate(self.decoder, prompt, config, tokenizer.vocab_size, missing)
        numbers = range(config.num_samples)
        self.samples = [GrowingText(tokenizer, config.stop, ends) for _ in numbers]
        self.logprobs: list[list[Alternatives]] = [[] for _ in numbers]

    @property
    def n_tokens(self) -> int:
        """Tokens of all samples so far."""
        return sum(len(sample.ids) for sample in self.samples)

    @property
    def tokens_per_second(self) -> float:
        """The rate so far, including the time to read the prompt; 0 before the first token."""
        return self.n_tokens / self.seconds if self.seconds else 0.0

    def steps(self) -> Iterator[GenerationStep]:
        """Yield step after step until every sample has ended."""
        while (step := self._next()) is not None:
            yield step
            if all(sample.finish for sample in self.samples):
                return
        self.close()

    def _next(self) -> GenerationStep | None:
        """Take the next step; only time spent here counts, not the time of the caller."""
        begun = time.perf_counter()
        step = next(self._steps, None)
        if step is not None:
            self._take(step)
        self.seconds += time.perf_counter() - begun
        return step

    def pieces(self) -> Iterator[str]:
        """Yield the text of the first sample in pieces as it grows."""
        parts, n_read = self.samples[0].parts, 0
        for _ in self.steps():
            yield from parts[n_read:]
            n_read = len(parts)
        yield from parts[n_read:]

    def close(self) -> None:
        """End every sample here."""
        for sample in self.samples:
            sample.close("length")

    def _take(self, step: GenerationStep) -> None:
        growing = [row for row, sample in enumerate(self.samples) if sample.finish is None]
        for row in growing:
            self.samples[row].add(int(step.ids[row]))
        if self._config.logprobs is not None:
            values = model_logprobs(step.logits[growing])
            for row, logprobs in zip(growing, values, strict=True):
                drawn = int(step.ids[row])
                seen = alternatives(logprobs, drawn, self._config.logprobs)
                self.logprobs[row].append(seen)
