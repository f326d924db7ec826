"""Generation: prefill the prompt, then decode one token at a time with cached keys and values."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from gptcli.config.sampling import SamplingConfig
from gptcli.generation.decoder import Decoder
from gptcli.generation.distribution import draw, next_token_probabilities
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
    decoder: Decoder, prompt: list[int], config: SamplingConfig, n_tokens: int | None = None
) -> Iterator[GenerationStep]:
    """Yield ``max_new_tokens`` steps, each a new token for all of ``num_samples``.

    ``decoder`` has as many rows, and may hold a part of the text already. Sample i has its own
    random generator, so it is the same whatever the number of samples. Only ids below
    ``n_tokens`` are drawn: published models have more outputs than their tokenizers have tokens.
    """
    assert prompt, "a prompt needs at least one token"
    generators = [
        torch.Generator().manual_seed(derive_seed(config.seed, "sample", index))
        for index in range(config.num_samples)
    ]
    ids = torch.tensor([prompt] * config.num_samples)  # (B, tokens so far)
    decoder.go_back_to(ids)
    for _ in range(config.max_new_tokens):
        logits = decoder.next_logits(ids)[:, :n_tokens]
        probabilities = next_token_probabilities(logits, ids, config)
        new = draw(probabilities, generators)
        ids = torch.cat([ids, new[:, None]], dim=1)
        yield GenerationStep(new, logits, probabilities)
