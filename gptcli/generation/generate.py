"""Generation: prefill the prompt, then one token at a time with the keys and values kept."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from gptcli.config.sampling import SamplingConfig
from gptcli.generation.decoder import Decoder
from gptcli.generation.distribution import draw, next_token_probabilities
from gptcli.runtime.seeds import derive_seed


@dataclass(frozen=True)
class Step:
    """A new token of every sample.

    Attributes:
        ids: (B,).
        logits: (B, V), as the model gave them.
        probabilities: (B, V), what ids were drawn from.

    """

    ids: Tensor
    logits: Tensor
    probabilities: Tensor


@torch.inference_mode()
def generate(
    reader: Decoder, prompt: list[int], config: SamplingConfig, n_tokens: int | None = None
) -> Iterator[Step]:
    """A new token for each of ``num_samples``, ``max_new_tokens`` times.

    ``reader`` has as many rows, and may have read a part of the text before. Sample i has its
    own random stream, so it is the same whatever the number of samples. Only ids below
    ``n_tokens`` are drawn: published models have more than their tokenizers.
    """
    assert prompt, "a prompt needs at least one token"
    generators = [
        torch.Generator().manual_seed(derive_seed(config.seed, "sample", index))
        for index in range(config.num_samples)
    ]
    ids = torch.tensor([prompt] * config.num_samples)  # (B, tokens so far)
    reader.go_back_to(ids)
    for _ in range(config.max_new_tokens):
        logits = reader.next_logits(ids)[:, :n_tokens]
        probabilities = next_token_probabilities(logits, ids, config)
        new = draw(probabilities, generators)
        ids = torch.cat([ids, new[:, None]], dim=1)
        yield Step(new, logits, probabilities)
