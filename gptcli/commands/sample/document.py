"""``sample --json``: every sample with its ids, finish reason and log-probabilities."""

from collections.abc import Iterator
from typing import Any

from gptcli.config.sampling import SamplingConfig
from gptcli.generation.alternatives import Alternatives, Candidate
from gptcli.generation.generator import TextGenerator
from gptcli.generation.growing_text import GrowingText
from gptcli.generation.prompt import Prompt
from gptcli.tokenization.tokenizer import Tokenizer


def samples_document(
    prompt: Prompt, generator: TextGenerator, config: SamplingConfig, tokenizer: Tokenizer
) -> dict[str, Any]:
    """The document of all samples; ``tokens_per_second`` counts the tokens of all."""
    return {
        "prompt": prompt.text,
        "prompt_ids": prompt.ids,
        "seed": config.seed,
        "samples": list(_samples(prompt.text, generator, config, tokenizer)),
        "tokens_per_second": generator.tokens_per_second,
    }


def _samples(
    prompt: str, generator: TextGenerator, config: SamplingConfig, tokenizer: Tokenizer
) -> Iterator[dict[str, Any]]:
    for sample, seen in zip(generator.samples, generator.logprobs, strict=True):
        entry = _sample(prompt, sample)
        if config.logprobs is not None:
            entry["logprobs"] = [_expected(one, tokenizer) for one in seen]
        yield entry


def _sample(prompt: str, sample: GrowingText) -> dict[str, Any]:
    return {
        "text": prompt + sample.text,
        "completion": sample.text,
        "ids": sample.ids,
        "finish_reason": sample.finish,
    }


def _expected(seen: Alternatives, tokenizer: Tokenizer) -> dict[str, Any]:
    top = [_candidate(one, tokenizer) for one in seen.top]
    return _candidate(seen.drawn, tokenizer) | {"top": top}


def _candidate(one: Candidate, tokenizer: Tokenizer) -> dict[str, Any]:
    return {
        "id": one.id,
        "token": tokenizer.piece(one.id),
        "rank": one.rank,
        "logprob": one.p,
    }
