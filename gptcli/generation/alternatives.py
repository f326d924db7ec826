"""The likeliest tokens at a step, beside the one that was drawn."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Candidate:
    """A token, its rank (1 is the likeliest), and its probability or log-probability."""

    id: int
    rank: int
    p: float


@dataclass(frozen=True)
class Alternatives:
    """The token that was drawn, and the likeliest tokens in order."""

    drawn: Candidate
    top: tuple[Candidate, ...]


def alternatives(values: Tensor, drawn: int, count: int) -> Alternatives:
    """Rank the probabilities or log-probabilities (V,) of a step; ties in the order of ids."""
    order = torch.sort(values, descending=True, stable=True).indices
    rank = int((order == drawn).nonzero()) + 1
    top = [
        Candidate(number, place, float(values[number]))
        for place, number in enumerate(order[:count].tolist(), 1)
    ]
    return Alternatives(Candidate(drawn, rank, float(values[drawn])), tuple(top))


def model_logprobs(logits: Tensor) -> Tensor:
    """Log-probabilities (B, V) in nats of the model alone: temperature 1, nothing cut off."""
    return torch.log_softmax(logits.float(), dim=1)
