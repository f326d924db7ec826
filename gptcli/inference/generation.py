"""Generation: prefill the prompt, then one token at a time with the keys and values kept."""

from collections.abc import Iterator

import torch
from torch import Tensor

from gptcli.config.sampling import SamplingConfig
from gptcli.errors import CheckpointError
from gptcli.inference.distribution import draw, next_token_probabilities
from gptcli.model.cache import KeyValueCache
from gptcli.model.gpt import GPT
from gptcli.runtime.seeds import derive_seed


def window_start(n_tokens: int, block_size: int) -> int:
    """First token that the model sees when ``n_tokens`` have been written.

    A function of the position alone: when the context is full, its last half is kept and
    the rest filled again. So text does not depend on what is cached.
    """
    if n_tokens <= block_size:
        return 0
    step = block_size - block_size // 2
    return -(-(n_tokens - block_size) // step) * step


@torch.inference_mode()
def generate(
    model: GPT,
    prompt: list[int],
    config: SamplingConfig,
    device: str,
    use_cache: bool = True,
    n_tokens: int | None = None,
) -> Iterator[Tensor]:
    """New token ids, (num_samples,) at a time, ``max_new_tokens`` times.

    Sample i has its own random stream, so it is the same whatever the number of samples.
    Only ids below ``n_tokens`` are drawn: published models have more than their tokenizers.
    """
    assert prompt, "a prompt needs at least one token"
    generators = [
        torch.Generator().manual_seed(derive_seed(config.seed, "sample", index))
        for index in range(config.num_samples)
    ]
    ids = torch.tensor([prompt] * config.num_samples)  # (B, tokens so far)
    reader = _Reader(model, config.num_samples, device, use_cache)
    for _ in range(config.max_new_tokens):
        logits = reader.next_logits(ids)[:, :n_tokens]
        probabilities = next_token_probabilities(logits, config)
        new = draw(probabilities, generators)
        ids = torch.cat([ids, new[:, None]], dim=1)
        yield new


class _Reader:
    """Computes next-token logits, feeding the model only what its cache does not hold."""

    def __init__(self, model: GPT, batch_size: int, device: str, use_cache: bool) -> None:
        self._model = model
        self._device = torch.device(device)
        dtype = model.token_embedding.weight.dtype
        cache = KeyValueCache(model.config, batch_size, self._device, dtype) if use_cache else None
        self._cache = cache
        self._start = 0

    def next_logits(self, ids: Tensor) -> Tensor:
        """Logits (B, V) after the last of ids (B, tokens so far), on the CPU."""
        start = window_start(ids.shape[1], self._model.config.block_size)
        seen = ids[:, start:]
        if self._cache is not None:
            if start != self._start:
                self._cache.clear()
            seen = seen[:, self._cache.length :]
        self._start = start
        hidden = self._model.hidden(seen.to(self._device), self._cache)
        logits = self._model.read_out(hidden[:, -1]).cpu()
        if not bool(logits.isfinite().all()):
            raise CheckpointError(
                "the model's output is not finite: its weights are damaged, "
                "use an earlier checkpoint"
            )
        return logits
