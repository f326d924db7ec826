"""``eval --per-token``: the scores of single tokens as lines of JSON, as arrays, or as a page."""

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gptcli.commands.eval.subject import Subject
from gptcli.commands.eval.surprise_page import MOST_TOKENS, surprise_page
from gptcli.commands.view.answer import Answer
from gptcli.evaluation.token_scores import TokenScores, token_scores
from gptcli.tokenization.vocabulary import Vocabulary


def per_token_answer(subject: Subject, form: str) -> Answer:
    """Score every target while the answer is written; a page has the first ones alone."""
    n_tokens = subject.tokens.n_tokens
    if form == "html":
        n_tokens = min(n_tokens, MOST_TOKENS)
    with ExitStack() as resources:
        evaluation_pass = resources.enter_context(
            subject.evaluating(
                windows=subject.windows(n_tokens), n_targets=min(n_tokens, subject.tokens.n_targets)
            )
        )
        scores = token_scores(evaluation_pass)
        return Answer(
            lines=_lines(subject, scores),
            page=lambda: surprise_page(subject, scores, n_tokens),
            arrays=lambda: _arrays(subject, list(scores)),
            resources=resources.pop_all(),
        )


def _lines(subject: Subject, scores: Iterable[TokenScores]) -> Iterator[dict[str, Any]]:
    vocabulary = Vocabulary(subject.loaded.tokenizer)
    for part in scores:
        for row in range(len(part.ids)):
            yield _line(vocabulary, part, row)


def _line(vocabulary: Vocabulary, part: TokenScores, row: int) -> dict[str, Any]:
    loss = float(part.losses[row])
    ids, shares = part.top_ids[row].tolist(), part.top_probabilities[row].tolist()
    return {
        "place": int(part.places[row]),
        "id": int(part.ids[row]),
        "text": _text(vocabulary, int(part.ids[row])),
        "loss": loss,
        "probability": math.exp(-loss),
        "rank": int(part.ranks[row]),
        "top": [
            {"id": number, "text": _text(vocabulary, number), "probability": share}
            for number, share in zip(ids, shares, strict=True)
        ],
    }


def _text(vocabulary: Vocabulary, number: int) -> str | None:
    """The token's text; None for an output of the model that the tokenizer has no token for."""
    return vocabulary.entry(number).text if number < len(vocabulary) else None


def _arrays(subject: Subject, parts: list[TokenScores]) -> Mapping[str, NDArray[Any]]:
    """Every field of TokenScores over all targets, and the size of the windows."""
    return {
        "place": np.concatenate([part.places for part in parts]),
        "id": np.concatenate([part.ids for part in parts]),
        "loss": np.concatenate([part.losses for part in parts]),
        "rank": np.concatenate([part.ranks for part in parts]),
        "top_id": np.concatenate([part.top_ids for part in parts]),
        "top_probability": np.concatenate([part.top_probabilities for part in parts]),
        "context": np.array(subject.context),
        "stride": np.array(subject.stride),
    }
