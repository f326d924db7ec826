"""A report on a model's attention for a text: metrics of every head, tokens, predictions."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from gptcli.config.model import ModelConfig
from gptcli.errors import CheckpointError
from gptcli.generation.loaded_model import LoadedModel
from gptcli.inspection.capture import Recording, attention_modules
from gptcli.inspection.explicit import Check, explicit_attention, worst
from gptcli.inspection.heads import Head
from gptcli.inspection.measures import Measured, measure
from gptcli.inspection.metrics import METRICS
from gptcli.model.gpt import GPT
from gptcli.tokenization.tokenizer import Tokenizer

LINKS_PER_HEAD = 10

Patterns = Mapping[Head, Tensor]  # (T, T) each, query by key, on the CPU


@dataclass(frozen=True)
class Guess:
    """A token and the probability that the model gives it."""

    id: int
    text: str
    p: float


@dataclass(frozen=True)
class Prediction:
    """The likeliest next token, and the actual one; None after the last token."""

    top: Guess
    actual: Guess | None


@dataclass(frozen=True)
class Token:
    """A token of the text and the prediction made from its position."""

    id: int
    text: str
    predicts: Prediction


@dataclass(frozen=True)
class Link:
    """How much of a query's attention a key gets."""

    query: int
    key: int
    weight: float


@dataclass(frozen=True)
class HeadReport:
    """The metrics of a head and its strongest links, without those of row 0."""

    head: Head
    metrics: Mapping[str, Measured]
    links: tuple[Link, ...]


@dataclass(frozen=True)
class AttentionReport:
    """A model directory, the tokens that it read, its heads in order, and the largest errors."""

    directory: Path
    config: ModelConfig
    tokens: tuple[Token, ...]
    heads: tuple[HeadReport, ...]
    check: Check


def report_attention(loaded: LoadedModel, recording: Recording) -> AttentionReport:
    """Measure every head, one layer at a time; CheckpointError where weights are not finite."""
    if not bool(recording.logits.isfinite().all()):
        raise CheckpointError(
            f"{loaded.directory}: the model's output is not finite: its weights are damaged, "
            "use an earlier checkpoint"
        )
    heads, checks = [], []
    pairs = zip(attention_modules(loaded.model), recording.layers, strict=True)
    for layer, (attention, recorded) in enumerate(pairs):
        explicit = explicit_attention(attention, recorded)
        checks.append(explicit.check)
        for index, metrics in enumerate(measure(explicit.pattern)):
            links = strongest_links(explicit.pattern[index], LINKS_PER_HEAD)
            heads.append(HeadReport(Head(layer, index), metrics, links))
    tokens = label_tokens(recording, loaded.tokenizer)
    return AttentionReport(
        loaded.directory, loaded.model.config, tokens, tuple(heads), worst(checks)
    )


def head_patterns(model: GPT, recording: Recording, heads: Collection[Head]) -> Patterns:
    """The patterns (T, T) of these heads on the CPU; computes only the layers they are in."""
    modules, patterns = attention_modules(model), dict[Head, Tensor]()
    for layer in sorted({head.layer for head in heads}):
        pattern = explicit_attention(modules[layer], recording.layers[layer]).pattern.cpu()
        for head in heads:
            if head.layer == layer:
                patterns[head] = pattern[head.index].clone()
    return {head: patterns[head] for head in heads}


def strongest_links(pattern: Tensor, count: int) -> tuple[Link, ...]:
    """The largest weights of a pattern (T, T), strongest first, without row 0."""
    n_tokens = pattern.shape[0]
    past = (
        pattern[1:]
        .cpu()
        .masked_fill(torch.ones(n_tokens - 1, n_tokens, dtype=torch.bool).triu(2), -1.0)
    )
    n_links = (n_tokens - 1) * (n_tokens + 2) // 2  # row i has i + 1 keys
    weights, places = past.flatten().topk(min(count, n_links))
    return tuple(
        Link(place // n_tokens + 1, place % n_tokens, weight)
        for weight, place in zip(weights.tolist(), places.tolist(), strict=True)
    )


def label_tokens(recording: Recording, tokenizer: Tokenizer) -> tuple[Token, ...]:
    """The tokens of a recording, each with the likeliest next token and the actual one."""
    logits = recording.logits.float()
    scale = logits.logsumexp(dim=-1)  # (T,)
    best, top = logits.max(dim=-1)
    following = logits[:-1].gather(1, recording.ids[1:, None])[:, 0]
    top_p, actual_p = (best - scale).exp().tolist(), (following - scale[:-1]).exp().tolist()
    ids = recording.ids.tolist()
    likeliest = _guesses(tokenizer, top.tolist(), top_p)
    actual = _guesses(tokenizer, ids[1:], actual_p)
    predictions = map(Prediction, likeliest, [*actual, None])  # nothing follows the last token
    return tuple(
        Token(number, _piece(tokenizer, number), prediction)
        for number, prediction in zip(ids, predictions, strict=True)
    )


def most_interesting(heads: Collection[HeadReport]) -> HeadReport:
    """The most focused head that is not an attention sink on the first token.

    That is the largest (1 - relative entropy) x (1 - weight on token 0); the first of equals.
    """
    return max(heads, key=_interest)


def ranked(heads: Collection[HeadReport], metric: str) -> list[HeadReport]:
    """The heads ranked by a metric; equal ones stay in the order of the model."""
    sign = 1 if METRICS[metric].lowest_first else -1
    return sorted(heads, key=lambda report: sign * (report.metrics[metric].value or 0.0))


def _guesses(tokenizer: Tokenizer, ids: list[int], probabilities: list[float]) -> list[Guess]:
    return [
        Guess(number, _piece(tokenizer, number), p)
        for number, p in zip(ids, probabilities, strict=True)
    ]


def _piece(tokenizer: Tokenizer, number: int) -> str:
    """The token's text, or its id: a padded vocabulary has ids without a text."""
    return tokenizer.piece(number) if number < tokenizer.vocab_size else f"<id {number}>"


def _interest(report: HeadReport) -> float:
    spread, sink = (report.metrics[name].value for name in ("relative_entropy", "first_token"))
    return 0.0 if spread is None or sink is None else (1 - spread) * (1 - sink)
