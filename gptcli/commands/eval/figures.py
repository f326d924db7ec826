"""``eval`` without a mode: the figures of a whole text, and exact matches in masked data."""

import math
from collections.abc import Iterator
from typing import Any

from gptcli.commands.eval.preference_view import preference_document, preference_of, preference_rows
from gptcli.commands.eval.subject import Subject, check_loss
from gptcli.commands.view.answer import Answer
from gptcli.commands.view.tables import Cell, Figure, facts
from gptcli.evaluation.exact_match import ExactMatches, exact_match, problems_of
from gptcli.evaluation.loss import Evaluation, evaluate
from gptcli.runtime.world import World

Row = tuple[str, Cell]
Scores = dict[str, ExactMatches]


def figures_answer(subject: Subject, world: World) -> Answer:
    """Evaluate every target; raise CheckpointError where the loss is not finite."""
    with subject.evaluating(world) as evaluation_pass:
        result = evaluate(evaluation_pass)
    check_loss(subject, result.loss)
    size, scores = subject.text_size(), _exact_matches(subject, world)
    preference = preference_of(subject, world)
    rows = (
        *_bits_rows(subject, result),
        ("loss", Figure(result.loss, f"{result.loss:.4f} nats per token")),
        ("perplexity", _perplexity(result)),
        ("top-1 accuracy", Figure(result.accuracy, f"{result.accuracy:.2%}")),
        *_score_rows(scores),
        *preference_rows(preference),
        *subject.condition_rows(size),
    )
    return Answer(
        "gptcli.eval/1",
        lambda: {
            **subject.conditions,
            **_figures(subject, result, scores),
            **preference_document(preference),
        },
        [facts("", rows)],
    )


def _exact_matches(subject: Subject, world: World) -> Scores | None:
    """The score of all questions, and of each operation; None where the text has no questions."""
    ends = frozenset() if subject.dataset is None else subject.dataset.answer_ends
    problems = problems_of(subject.tokens, subject.loaded.tokenizer, ends, subject.context)
    if problems is None:
        return None
    n_targets = int((problems.questions.ends - problems.questions.answers).sum())
    with subject.evaluating(world, problems, n_targets) as evaluation_pass:
        return exact_match(evaluation_pass, problems, subject.loaded.tokenizer)


def _figures(subject: Subject, result: Evaluation, scores: Scores | None) -> dict[str, Any]:
    """Every figure of an evaluation; None for those that are unknown."""
    size, compared = subject.text_size(), subject.compared_size()
    return {
        "loss": result.loss,
        "perplexity": result.perplexity if math.isfinite(result.perplexity) else None,
        "accuracy": result.accuracy,
        "bits_per_byte": None if compared is None else result.bits_per(compared.n_bytes),
        "bits_per_character": None if compared is None else result.bits_per(compared.n_characters),
        "lost_share": subject.lost_share,
        "tokens": result.n_targets,
        "bytes": None if size is None else size.n_bytes,
        "characters": None if size is None else size.n_characters,
        "exact_match": None
        if scores is None
        else {
            name: {"share": one.share, "correct": one.n_correct, "problems": one.n_problems}
            for name, one in scores.items()
        },
    }


def _bits_rows(subject: Subject, result: Evaluation) -> Iterator[Row]:
    """The figures per byte and character, or why there are none."""
    size, share = subject.compared_size(), subject.lost_share
    if size is not None:
        yield "bits per byte", Figure.of(result.bits_per(size.n_bytes), ".4f")
        yield "bits per character", Figure.of(result.bits_per(size.n_characters), ".4f")
    if share:
        why = "" if size is not None else ", so no bits per byte are given"
        shown = f"{share:.2%} of the characters cannot be restored from the tokens{why}"
        yield "lost", Figure(share, shown)


def _perplexity(result: Evaluation) -> Figure:
    if not math.isfinite(result.perplexity):
        return Figure(None, "too large for a number")
    return Figure.of(result.perplexity, ".3f")


def _score_rows(scores: Scores | None) -> Iterator[Row]:
    """Exact matches of all questions, and of each operation where there are several."""
    noun = "questions" if list(scores or {}) == ["all"] else "problems"
    for name, score in (scores or {}).items():
        shown = f"{score.share:.2%} ({score.n_correct:,} of {score.n_problems:,} {noun}"
        if name == "all":
            yield "exact match", Figure(score.share, f"{shown}, each asked by itself)")
        elif len(scores or {}) > 2:
            yield f"exact match of {name}", Figure(score.share, f"{shown})")
