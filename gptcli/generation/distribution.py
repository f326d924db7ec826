"""From logits to the distribution that tokens are drawn from: pure functions, on the CPU.

B rows, V tokens. Logits of excluded tokens become -inf. Order and definitions are those of
transformers: repetition penalty, temperature, top-k, top-p, min-p.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from gptcli.config.sampling import SamplingConfig

_FLOATS = torch.finfo(torch.float32)
_USUAL_NUCLEUS = 1024  # sorting a whole vocabulary takes longer than a small model
_DRAWN_AT_ONCE = 32


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
    """Divide the logits of tokens in ids (B, T) by the penalty, or multiply negative ones.

    Keskar et al. 2019, CTRL.
    """
    if penalty == 1:
        return logits
    found = logits.gather(1, ids)
    changed = torch.where(found < 0, found * penalty, found / penalty)
    return logits.scatter(1, ids, changed.clamp(max=_FLOATS.max))


def at_temperature(logits: Tensor, temperature: float) -> Tensor:
    """Divide logits by the temperature; the largest of each row becomes 0 unless it is 1."""
    if temperature == 1:
        return logits
    # Shifted first: no temperature turns large logits into inf - inf or 0 / 0.
    shifted = logits - logits.amax(dim=1, keepdim=True)
    return shifted / min(max(temperature, _FLOATS.tiny), _FLOATS.max)


def keep_top_k(logits: Tensor, top_k: int | None) -> Tensor:
    """Keep exactly the k largest logits of each row; the others become -inf."""
    if top_k is None or top_k >= logits.shape[1]:
        return logits
    values, indices = torch.topk(logits, top_k, dim=1)
    return torch.full_like(logits, -torch.inf).scatter_(1, indices, values)


def keep_top_p(logits: Tensor, top_p: float) -> Tensor:
    """Keep the smallest set of likeliest tokens whose probabilities add up to ``top_p``.

    Holtzman et al. 2020, nucleus sampling; tokens as likely as the last of them stay too.
    """
    if top_p >= 1:
        return logits
    probabilities = torch.softmax(logits, dim=1)
    least = _least_of_nucleus(probabilities, top_p)
    return logits.masked_fill(probabilities < least, -torch.inf)


def _least_of_nucleus(probabilities: Tensor, top_p: float) -> Tensor:
    """The probability (B, 1) of the least likely token in the nucleus of each row."""
    n_tokens = probabilities.shape[1]
    for count in (min(_USUAL_NUCLEUS, n_tokens), n_tokens):
        values = torch.topk(probabilities, count, dim=1).values
        mass = values.cumsum(dim=1)
        if bool((mass[:, -1] >= top_p).all()):
            break
    last = (mass < top_p).sum(dim=1, keepdim=True).clamp(max=count - 1)
    return values.gather(1, last)


def keep_min_p(logits: Tensor, min_p: float) -> Tensor:
    """Keep the tokens that are at least ``min_p`` times as likely as the likeliest.

    Nguyen et al. 2024, min-p sampling.
    """
    if min_p <= 0:
        return logits
    probabilities = torch.softmax(logits, dim=1)
    least = min_p * probabilities.amax(dim=1, keepdim=True)
    return logits.masked_fill(probabilities < least, -torch.inf)


class RandomStreams:
    """Random numbers in [0, 1) for the rows of a batch, each row from a stream of its own."""

    def __init__(self, seeds: Sequence[int]) -> None:
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._drawn = torch.empty(len(seeds), 0, dtype=torch.float64)  # (B, numbers so far)

    def at(self, columns: Tensor, highest: int) -> Tensor:
        """Number ``columns[i]`` of stream i, counted from 0 to ``highest``: (B,) -> (B, 1)."""
        while highest >= self._drawn.shape[1]:
            # Many at once: a call for every token takes longer than a step of a small model.
            new = [
                torch.rand(_DRAWN_AT_ONCE, dtype=torch.float64, generator=stream)
                for stream in self._generators
            ]
            self._drawn = torch.cat([self._drawn, torch.stack(new)], dim=1)
        return self._drawn.gather(1, columns[:, None])

    def keep(self, rows: Tensor) -> None:
        """Go on with the streams of these rows alone."""
        self._generators = [self._generators[row] for row in rows.tolist()]
        self._drawn = self._drawn[rows]


def draw(probabilities: Tensor, places: Tensor) -> Tensor:
    """Draw one token id per row (B,), by a random number per row: ``places`` (B, 1) in [0, 1).

    It is looked up in the cumulative sums: torch.multinomial would draw one random number per
    token of the vocabulary.
    """
    sums = probabilities.double().cumsum(dim=1)
    sums /= sums[:, -1:].clone()  # so that every place in [0, 1) is below the last
    ids = torch.searchsorted(sums, places, right=True)[:, 0]
    assert bool((ids < probabilities.shape[1]).all()), "an id out of range"
    return ids
