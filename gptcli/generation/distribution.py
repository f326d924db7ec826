"""From logits to the distribution that is drawn from; pure functions on the CPU in float32.

B rows, V tokens. What is cut off becomes -inf. Order and definitions are those of transformers:
repetition penalty, temperature, top-k, top-p, min-p.
"""

import torch
from torch import Tensor

from gptcli.config.sampling import SamplingConfig

_FLOATS = torch.finfo(torch.float32)
_USUAL_NUCLEUS = 1024  # sorting a whole vocabulary takes longer than a small model


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
    changed = torch.where(found < 0, found * penalty, found / penalty)
    return logits.scatter(1, ids, changed.clamp(max=_FLOATS.max))


def at_temperature(logits: Tensor, temperature: float) -> Tensor:
    """Logits over the temperature, the largest of each row at 0 unless the temperature is 1."""
    if temperature == 1:
        return logits
    # Shifted first: no temperature turns large logits into inf - inf or 0 / 0.
    shifted = logits - logits.amax(dim=1, keepdim=True)
    return shifted / min(max(temperature, _FLOATS.tiny), _FLOATS.max)


def keep_top_k(logits: Tensor, top_k: int | None) -> Tensor:
    """Logits with all but the k largest of each row at -inf, exactly k kept."""
    if top_k is None or top_k >= logits.shape[1]:
        return logits
    values, indices = torch.topk(logits, top_k, dim=1)
    return torch.full_like(logits, -torch.inf).scatter_(1, indices, values)


def keep_top_p(logits: Tensor, top_p: float) -> Tensor:
    """Logits of the fewest likeliest tokens that have the probability ``top_p`` together.

    Holtzman et al. 2020, nucleus sampling; what is as likely as the last of them stays too.
    """
    if top_p >= 1:
        return logits
    probabilities = torch.softmax(logits, dim=1)
    least = _least_of_nucleus(probabilities, top_p)
    return logits.masked_fill(probabilities < least, -torch.inf)


def _least_of_nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    """The probability (B, 1) of the last token that is needed."""
    n_tokens = probabilities.shape[1]
    for count in (min(_USUAL_NUCLEUS, n_tokens), n_tokens):
        values = torch.topk(probabilities, count, dim=1).values
        mass = values.cumsum(dim=1)
        if bool((mass[:, -1] >= top_p).all()):
            break
    last = (mass < top_p).sum(dim=1, keepdim=True).clamp(max=count - 1)
    return values.gather(1, last)


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
    """One token id per row (B,), row i with its own stream of random numbers.

    One number per row, looked up in the sums: torch.multinomial takes one per token.
    """
    places = [torch.rand(1, dtype=torch.float64, generator=stream) for stream in generators]
    sums = probabilities.double().cumsum(dim=1)
    sums /= sums[:, -1:].clone()  # so that every place in [0, 1) is below the last
    ids = torch.searchsorted(sums, torch.stack(places), right=True)[:, 0]
    assert bool((ids < probabilities.shape[1]).all()), "an id out of range"
    return ids
