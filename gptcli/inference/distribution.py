"""From logits to the distribution that is drawn from; pure functions on the CPU in float32.

B rows, V tokens. What is cut off becomes -inf. Order and definitions are those of transformers:
repetition penalty, temperature, top-k, top-p, min-p.
"""

import torch
from torch import Tensor

from gptcli.config.sampling import SamplingConfig


def next_token_probabilities(logits: Tensor, ids: Tensor, config: SamplingConfig) -> Tensor:
    """Probabilities (B, V) from logits (B, V) and the tokens so far (B, T).

    Temperature 0 puts all mass on the likeliest token (the first of equals).
    """
    logits = penalize_repetition(logits.float(), ids, config.repetition_penalty)
    if config.temperature == 0:
        greedy = torch.zeros_like(logits)
        return greedy.scatter_(1, logits.argmax(dim=1, keepdim=True), 1.0)
    # Before the temperature, which may make large logits equal.
    scaled = at_temperature(keep_top_k(logits, config.top_k), config.temperature)
    return torch.softmax(keep_min_p(keep_top_p(scaled, config.top_p), config.min_p), dim=1)


def penalize_repetition(logits: Tensor, ids: Tensor, penalty: float) -> Tensor:
    """Logits divided by the penalty, or multiplied below 0, for tokens that occur in ids (B, T).

    Keskar et al. 2019, CTRL.
    """
    if penalty == 1:
        return logits
    found = logits.gather(1, ids)
    return logits.scatter(1, ids, torch.where(found < 0, found * penalty, found / penalty))


def at_temperature(logits: Tensor, temperature: float) -> Tensor:
    """Logits over the temperature, the largest of each row at 0."""
    # Shifted first, and in float64: no temperature turns large logits into inf - inf or 0 / 0.
    wide = logits.double()
    return ((wide - wide.amax(dim=1, keepdim=True)) / temperature).float()


def keep_top_k(logits: Tensor, top_k: int | None) -> Tensor:
    """Logits with all but the k largest of each row at -inf, exactly k kept."""
    if top_k is None or top_k >= logits.shape[1]:
        return logits
    values, indices = torch.topk(logits, top_k, dim=1)
    return torch.full_like(logits, -torch.inf).scatter_(1, indices, values)


def keep_top_p(logits: Tensor, top_p: float) -> Tensor:
    """Logits of the fewest likeliest tokens that have the probability ``top_p`` together.

    Holtzman et al. 2020, nucleus sampling; the likeliest token always stays.
    """
    if top_p >= 1:
        return logits
    values, indices = torch.sort(logits, dim=1, descending=True, stable=True)
    likelier = torch.softmax(values, dim=1).cumsum(dim=1).roll(1, dims=1)
    likelier[:, 0] = 0  # mass of the tokens before each
    kept = values.masked_fill(likelier >= top_p, -torch.inf)
    return torch.full_like(logits, -torch.inf).scatter_(1, indices, kept)


def keep_min_p(logits: Tensor, min_p: float) -> Tensor:
    """Logits of the tokens at least ``min_p`` times as likely as the likeliest.

    Nguyen et al. 2024, min-p sampling.
    """
    if min_p <= 0:
        return logits
    probabilities = torch.softmax(logits, dim=1)
    least = min_p * probabilities.amax(dim=1, keepdim=True)
    return logits.masked_fill(probabilities < least, -torch.inf)


def draw(probabilities: Tensor, generators: list[torch.Generator]) -> Tensor:
    """One token id per row (B,), row i with its own stream of random numbers."""
    rows = zip(probabilities, generators, strict=True)
    ids = torch.cat([torch.multinomial(row, 1, generator=stream) for row, stream in rows])
    assert bool(((ids >= 0) & (ids < probabilities.shape[1])).all()), "an id out of range"
    return ids
