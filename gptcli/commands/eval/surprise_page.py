"""A self-contained page with a text coloured by how much each token surprised a model."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from gptcli.commands.eval.subject import Subject
from gptcli.commands.view.pages import render_page, visible_words
from gptcli.evaluation.token_scores import TokenScores
from gptcli.tokenization.vocabulary import Vocabulary

MOST_TOKENS = 20_000  # with hints; browsers scroll larger pages slowly
_LEVELS = (0.5, 1, 2, 3, 4, 6, 8, 12)  # bits below which a token has a colour
_HOTTEST = 85  # per cent; more would leave the ink too little contrast


@dataclass(frozen=True)
class _Level:
    """A range of surprise, and the share of the strongest colour for it, in per cent."""

    label: str
    share: int


@dataclass(frozen=True)
class _PageToken:
    """What the page shows of a token; without a ``level`` it was not predicted."""

    label: str
    ends_line: bool
    level: int | None = None
    hint: str = ""


@dataclass(frozen=True)
class _Score:
    """One row of TokenScores."""

    loss: float
    rank: int
    top: list[tuple[int, float]]


def surprise_page(subject: Subject, scores: Iterable[TokenScores], n_tokens: int) -> str:
    """The HTML of the first ``n_tokens`` of a text; ``scores`` are those of its targets."""
    found = dict(_by_place(scores))
    model = visible_words(subject.loaded.directory.as_posix())
    return render_page(
        "gptcli.commands.eval",
        "surprise.html",
        title=f"What surprises {model} in {visible_words(subject.place)}",
        about=[
            _figures(found),
            f"context {subject.context:,} tokens, stride {subject.stride:,}",
        ],
        cut=_cut(n_tokens, subject.tokens.n_tokens),
        levels=list(_levels()),
        tokens=_tokens(subject, found, n_tokens),
    )


def _by_place(scores: Iterable[TokenScores]) -> Iterator[tuple[int, _Score]]:
    for part in scores:
        columns = (part.places, part.losses, part.ranks, part.top_ids, part.top_probabilities)
        for place, loss, rank, ids, shares in zip(*(c.tolist() for c in columns), strict=True):
            yield place, _Score(loss, rank, list(zip(ids, shares, strict=True)))


def _tokens(subject: Subject, found: dict[int, _Score], n_tokens: int) -> Iterator[_PageToken]:
    vocabulary = Vocabulary(subject.loaded.tokenizer)
    entry = cache(vocabulary.entry)
    quoted = cache(lambda number: _quoted(vocabulary, number))
    for place, number in enumerate(subject.tokens.read(0, n_tokens).tolist()):
        content = entry(number).content
        label = visible_words(content.decode("utf-8", "backslashreplace"))
        ends_line, score = content.endswith(b"\n"), found.get(place)
        if score is None:
            yield _PageToken(label, ends_line)
            continue
        bits = score.loss / math.log(2)
        level = sum(bits >= boundary for boundary in _LEVELS)
        own = f"{math.exp(-score.loss):.2%}, rank {score.rank:,}, {bits:.2f} bits"
        lines = [f"{quoted(number)}: {own}"]
        lines += [f"{quoted(other)} {share:.2%}" for other, share in score.top]
        yield _PageToken(label, ends_line, level, "\n".join(lines))


def _quoted(vocabulary: Vocabulary, number: int) -> str:
    """A token's label, or its id for an output that the tokenizer has no token for."""
    return vocabulary.entry(number).label if number < len(vocabulary) else f"id {number}"


def _figures(found: dict[int, _Score]) -> str:
    loss = sum(score.loss for score in found.values()) / len(found)
    hits = sum(score.rank == 1 for score in found.values())
    return (
        f"{len(found):,} tokens predicted, {loss:.4f} nats ({loss / math.log(2):.3f} bits) each, "
        f"{hits / len(found):.1%} of them were the likeliest"
    )


def _levels() -> Iterator[_Level]:
    names = [f"below {_LEVELS[0]}", *(f"from {boundary}" for boundary in _LEVELS)]
    for index, name in enumerate(names):
        yield _Level(name, round(_HOTTEST * index / len(_LEVELS)))


def _cut(n_shown: int, n_tokens: int) -> str:
    if n_shown == n_tokens:
        return ""
    return f"The first {n_shown:,} of {n_tokens:,} tokens are shown; the figures are of these."
