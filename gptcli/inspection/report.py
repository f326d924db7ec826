"""A report on a model's attention for a text: metrics of every head, tokens, predictions."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import torch

from gptcli.config.model import ModelConfig
from gptcli.errors import CheckpointError
from gptcli.generation.loaded_model import LoadedModel
from gptcli.inspection.capture import Recording, attention_modules
from gptcli.inspection.excerpt import Excerpt, TextPart
from gptcli.inspection.explicit import Check, worst
from gptcli.inspection.heads import Head
from gptcli.inspection.induction import score_heads
from gptcli.inspection.layer_measures import LayerMeasures
from gptcli.inspection.links import Link
from gptcli.inspection.measures import Measured
from gptcli.inspection.metrics import METRICS
from gptcli.tokenization.tokenizer import Tokenizer

_ROWS = 256  # of logits that are computed with at once: a long text's are large


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
    """A token, its place in the text, and the prediction made from it.

    A reward model predicts nothing, and has a ``score`` for the text so far instead.
    """

    i: int
    id: int
    text: str
    predicts: Prediction | None
    score: float | None = None


@dataclass(frozen=True)
class HeadReport:
    """The metrics of a head and its strongest links, without those of row 0."""

    head: Head
    metrics: Mapping[str, Measured]
    links: tuple[Link, ...]


@dataclass(frozen=True)
class AttentionReport:
    """A model directory, the tokens that it read, its heads in order, and the largest errors.

    ``tokens`` are those shown; links count from the first of them. Metrics are means over
    ``n_samples`` texts, the first of which has the tokens and the links.
    """

    directory: Path
    config: ModelConfig
    tokens: tuple[Token, ...]
    heads: tuple[HeadReport, ...]
    check: Check
    n_samples: int = 1

    @property
    def first(self) -> int:
        """The place in the text of the first token shown."""
        return self.tokens[0].i


def report_attention(
    loaded: LoadedModel,
    recording: Recording,
    part: TextPart | None = None,
    more: Iterable[Recording] = (),
) -> AttentionReport:
    """Measure every head, one layer at a time, on one text and on ``more`` samples like it.

    ``part`` says which part of the text was recorded and is shown (default: all).
    CheckpointError where weights are not finite.
    """
    part = part or TextPart.whole(len(recording.ids))
    layers = [LayerMeasures(attention) for attention in attention_modules(loaded.model)]
    links = [
        measures.read(layer, part.shown)
        for measures, layer in zip(layers, _sound(loaded, recording).layers, strict=True)
    ]
    for sample in more:
        for measures, layer in zip(layers, _sound(loaded, sample).layers, strict=True):
            measures.read(layer, Excerpt(0, len(sample.ids)))
    for number, measures in enumerate(layers):
        if not all(isfinite(check.fused_max_error) for check in measures.checks):
            raise _damaged(loaded, f"the attention of layer {number}")
    shown, n_head, scores = part.shown, loaded.model.config.n_head, score_heads(loaded)
    heads = (
        HeadReport(
            head := Head(number, index),
            {**metrics, **scores[head]},
            _counted_from(shown.first, of_head),
        )
        for number, measures in enumerate(layers)
        for index, (metrics, of_head) in enumerate(
            zip(measures.metrics.measured(), links[number].of_heads(n_head), strict=True)
        )
    )
    is_scoring = loaded.model.config.score
    tokens = label_tokens(recording, loaded.tokenizer, part.start, is_scoring)
    return AttentionReport(
        loaded.directory,
        loaded.model.config,
        tokens[shown.first : shown.stop],
        tuple(heads),
        worst(check for measures in layers for check in measures.checks),
        len(layers[0].checks),
    )


def _sound(loaded: LoadedModel, recording: Recording) -> Recording:
    if not all(bool(rows.isfinite().all()) for rows in torch.split(recording.logits, _ROWS)):
        raise _damaged(loaded, "the model's output")
    return recording


def _damaged(loaded: LoadedModel, what: str) -> CheckpointError:
    return CheckpointError(
        f"{loaded.directory}: {what} is not finite: its weights are damaged, use an earlier "
        "checkpoint"
    )


def _counted_from(first: int, links: Iterable[Link]) -> tuple[Link, ...]:
    return tuple(Link(link.query - first, link.key - first, link.weight) for link in links)


def label_tokens(
    recording: Recording, tokenizer: Tokenizer, start: int, is_scoring: bool = False
) -> tuple[Token, ...]:
    """The tokens of a recording, each with the likeliest next token and the actual one.

    Those of a reward model have a score. The first of them is token ``start`` of the text.
    """
    logits, ids = recording.logits, recording.ids.tolist()
    if is_scoring:
        return tuple(
            Token(place, number, _piece(tokenizer, number), None, score)
            for place, (number, score) in enumerate(
                zip(ids, logits[:, 0].float().tolist(), strict=True), start
            )
        )
    parts = torch.split(logits, _ROWS)
    scale = torch.cat([rows.float().logsumexp(dim=-1) for rows in parts])  # (T,)
    best, top = logits.max(dim=-1)
    following = logits[:-1].gather(1, recording.ids[1:, None])[:, 0]
    top_p, actual_p = (best - scale).exp().tolist(), (following - scale[:-1]).exp().tolist()
    likeliest = _guesses(tokenizer, top.tolist(), top_p)
    actual = _guesses(tokenizer, ids[1:], actual_p)
    predictions = map(Prediction, likeliest, [*actual, None])  # nothing follows the last token
    return tuple(
        Token(place, number, _piece(tokenizer, number), prediction)
        for place, (number, prediction) in enumerate(zip(ids, predictions, strict=True), start)
    )


def most_interesting(heads: Collection[HeadReport]) -> HeadReport:
    """The most focused head that is not an attention sink on the first token.

    That is the largest (1 - relative entropy) x (1 - weight on token 0); the first of equals.
    """
    return by_interest(heads)[0]


def by_interest(heads: Collection[HeadReport]) -> list[HeadReport]:
    """The heads by how focused they are without being attention sinks, the most so first."""
    return sorted(heads, key=_interest, reverse=True)


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
