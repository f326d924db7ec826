"""From logits to the distribution that is drawn from; pure functions on the CPU in float32."""

import torch
from torch import Tensor

from gptcli.config.sampling import SamplingConfig


def next_token_probabilities(logits: Tensor, config: SamplingConfig) -> Tensor:
    """Probabilities (B, V) after temperature and top-k, from logits (B, V).

    Temperature 0 puts all mass on the likeliest token (the first of equals).
    """
    logits = logits.float()
    if config.temperature == 0:
        greedy = torch.zeros_like(logits)
        return greedy.scatter_(1, logits.argmax(dim=1, keepdim=True), 1.0)
    kept = keep_top_k(logits, config.top_k).double()
    # Shifted first, and in float64: no temperature turns large logits into inf - inf or 0 / 0.
    shifted = (kept - kept.amax(dim=1, keepdim=True)) / config.temperature
    return torch.softmax(shifted, dim=1).float()


def keep_top_k(logits: Tensor, top_k: int | None) -> Tensor:
    """Logits (B, V) with all but the k largest of each row at -inf, exactly k kept."""
    if top_k is None or top_k >= logits.shape[1]:
        return logits
    values, indices = torch.topk(logits, top_k, dim=1)
    return torch.full_like(logits, -torch.inf).scatter_(1, indices, values)


def draw(probabilities: Tensor, generators: list[torch.Generator]) -> Tensor:
    """One token id per row (B,), row i with its own stream of random numbers."""
    rows = zip(probabilities, generators, strict=True)
    ids = torch.cat([torch.multinomial(row, 1, generator=stream) for row, stream in rows])
    assert bool(((ids >= 0) & (ids < probabilities.shape[1])).all()), "an id out of range"
    return ids
