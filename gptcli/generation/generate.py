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
from gptcli.generation.distribution import RandomStreams, draw, next_token_probabilities
from gptcli.generation.growing_text import GrowingText
from gptcli.generation.loaded_model import LoadedModel
from gptcli.runtime.seeds import derive_seed


@dataclass(frozen=True)
class GenerationStep:
    """A new token for every row.

    Attributes:
        ids: the tokens (B,).
        logits: the model's output (B, V).
        probabilities: the distribution that ids were drawn from (B, V).
        columns: the number of tokens that were drawn before (B,); below 0 in a row that is still
            within its prompt.

    """

    ids: Tensor
    logits: Tensor
    probabilities: Tensor
    columns: Tensor


class GrowingRows:
    """Rows of ids, each of which continues a prompt, by one token at once.

    All rows begin at the length of the shortest prompt, so that they share one position: a longer
    prompt goes on until it is used up, and only then tokens are drawn in its row. Each row draws
    from a stream of its own (``seeds``; by default those of ``config.seed``), so it does not
    depend on the others. Only ids below ``n_tokens`` are drawn, and of these none of ``never``:
    published models have more outputs than their tokenizers have tokens. ``decoder`` has a row
    for each prompt, and may hold a part of the texts already.
    """

    def __init__(
        self,
        decoder: Decoder,
        prompts: Sequence[Sequence[int]],
        config: SamplingConfig,
        n_tokens: int | None = None,
        never: Sequence[int] = (),
        seeds: Sequence[int] | None = None,
    ) -> None:
        lengths = [len(prompt) for prompt in prompts]
        shortest, longest = min(lengths), max(lengths)
        assert shortest, "a prompt needs at least one token"
        self._decoder = decoder
        self._config = config
        self._n_tokens = n_tokens
        self._never = torch.tensor(never, dtype=torch.long)
        self._streams = RandomStreams(
            sample_seeds(config, len(prompts)) if seeds is None else seeds
        )
        self._lengths, self._shortest = torch.tensor(lengths), shortest
        self._prompts = _padded(prompts, longest)
        self._ids = self._prompts[:, :shortest]  # (B, tokens so far)
        self.n_steps = longest - shortest + config.max_new_tokens
        decoder.go_back_to(self._ids)

    @torch.inference_mode()
    def step(self) -> GenerationStep:
        """Add a token to every row."""
        place = self._ids.shape[1]
        logits = self._decoder.next_logits(self._ids)[:, : self._n_tokens]
        if len(self._never):
            logits = logits.index_fill(1, self._never, -torch.inf)
        probabilities = next_token_probabilities(logits, self._ids, self._config)
        columns = place - self._lengths
        highest, is_ragged = place - self._shortest, place < self._prompts.shape[1]
        drawn = columns.clamp(min=0) if is_ragged else columns
        new = draw(probabilities, self._streams.at(drawn, highest))
        if is_ragged:
            new = torch.where(columns < 0, self._prompts[:, place], new)
        self._ids = torch.cat([self._ids, new[:, None]], dim=1)
        return GenerationStep(new, logits, probabilities, columns)

    def keep(self, rows: Tensor) -> None:
        """Go on with these rows alone (numbers counted from 0), which saves time for the others."""
        self._decoder.keep(rows)
        self._streams.keep(rows)
        self._lengths, self._prompts = self._lengths[rows], self._prompts[rows]
        self._ids = self._ids[rows]


def generate(
    decoder: Decoder,
    prompts: Sequence[Sequence[int]],
    config: SamplingConfig,
    n_tokens: int | None = None,
    never: Sequence[int] = (),
    seeds: Sequence[int] | None = None,
) -> Iterator[GenerationStep]:
    """Yield steps of GrowingRows until all rows have ``max_new_tokens`` of their own."""
    rows = GrowingRows(decoder, prompts, config, n_tokens, never, seeds)
    for _ in range(rows.n_steps):
        yield rows.step()


def sample_seeds(config: SamplingConfig, n_rows: int) -> list[int]:
    """The seeds of so many samples; sample i has the same one whatever their number."""
    return [derive_seed(config.seed, "sample", index) for index in range(n_rows)]


def _padded(prompts: Sequence[Sequence[int]], longest: int) -> Tensor:
    """Prompts as rows of ids, filled up on the right with zeros that are never read: (B, T)."""
    rows = torch.zeros(len(prompts), longest, dtype=torch.long)
    for row, prompt in zip(rows, prompts, strict=True):
        row[: len(prompt)] = torch.tensor(prompt)
    return rows


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
        prompts = [prompt] * config.num_samples
        self._steps = generate(self.decoder, prompts, config, tokenizer.vocab_size, missing)
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
