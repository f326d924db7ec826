"""``eval`` on pairs of answers: which of the two a model prefers."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gptcli.commands.eval.subject import Subject
from gptcli.commands.view.answer import Answer
from gptcli.commands.view.progress_bar import progress
from gptcli.commands.view.tables import Cell, Figure, facts
from gptcli.commands.view.terminal import note
from gptcli.data.questions import Pairs, pairs_of
from gptcli.data.token_split import TokenSplit
from gptcli.errors import CheckpointError, DataError, UsageError
from gptcli.evaluation.pair_likelihoods import PairPreference, pair_preference
from gptcli.evaluation.pair_rewards import PairFigures, pair_rewards
from gptcli.evaluation.scoring import answer_scores
from gptcli.runtime.device import memory_errors
from gptcli.runtime.progress import Advance
from gptcli.runtime.world import World


def scores_answer(subject: Subject, world: World) -> Answer:
    """How well a reward model tells chosen answers from rejected ones."""
    model, split = subject.loaded.model, subject.tokens
    if not isinstance(split, TokenSplit) or not split.holds_pairs:
        raise UsageError(
            f"{subject.loaded.directory} is a reward model, which scores answers and does not "
            f"write, and {subject.data} has no pairs of answers: give such data by --data, as "
            "gptcli prepare preferences makes them"
        )
    pairs, n_left_out = _fitting(subject, split)
    with _comparing(subject, pairs) as advance:
        rewards = pair_rewards(
            lambda rows: answer_scores(model, rows), split, pairs, world, advance
        )
    found = PairFigures.of(rewards)
    if not math.isfinite(found.loss):
        raise CheckpointError(
            f"{subject.loaded.directory}: the loss is {found.loss}: its weights are damaged, "
            "use an earlier checkpoint"
        )
    loss = f"{found.loss:.4f} nats per pair, of which chance has {math.log(2):.4f}"
    rows: tuple[tuple[str, Cell], ...] = (
        ("accuracy", Figure(found.accuracy, f"{found.accuracy:.2%} of the chosen answers win")),
        ("margin", Figure(found.margin, f"{found.margin:.4f} on average")),
        ("loss", Figure(found.loss, loss)),
        ("pairs", len(pairs)),
        ("context", subject.context),
        ("data", subject.place),
    )
    figures = {"accuracy": found.accuracy, "margin": found.margin, "loss": found.loss}
    counts = {"pairs": len(pairs), "left_out": n_left_out}
    return Answer(
        "gptcli.eval-pairs/1",
        lambda: {**subject.conditions, **figures, **counts},
        [facts("", rows)],
    )


def preference_of(subject: Subject, world: World) -> PairPreference | None:
    """Which answers a language model finds likelier; None where the text has no pairs."""
    split, loaded = subject.tokens, subject.loaded
    if not isinstance(split, TokenSplit) or not split.holds_pairs:
        return None
    pairs, _ = _fitting(subject, split)
    with _comparing(subject, pairs) as advance:
        n_ids = loaded.tokenizer.vocab_size
        return pair_preference(loaded.model, n_ids, split, pairs, world, advance)


def preference_rows(found: PairPreference | None) -> Iterator[tuple[str, Cell]]:
    """The shares of pairs as a table lists them, if there are any."""
    if found is None:
        return
    ways = (("by sum", found.by_sum, "as a whole"), ("by mean", found.by_mean, "per token"))
    for name, share, what in ways:
        shown = f"{share:.2%} of {found.n_pairs:,} chosen answers are the likelier one {what}"
        yield f"preferred {name}", Figure(share, shown)


def preference_document(found: PairPreference | None) -> dict[str, Any]:
    """The shares of pairs as a document lists them, if there are any."""
    if found is None:
        return {}
    shares = {"by_sum": found.by_sum, "by_mean": found.by_mean}
    return {"preferred": {**shares, "pairs": found.n_pairs}}


def _fitting(subject: Subject, split: TokenSplit) -> tuple[Pairs, int]:
    """The pairs that fit into the context, and how many do not; DataError where none does."""
    every = pairs_of(split)
    pairs = every.fitting(subject.context)
    if not len(pairs):
        raise DataError(
            f"{subject.place}: no pair fits into the context of {subject.context:,} tokens: take "
            "a model with a longer context"
        )
    if n_left_out := len(every) - len(pairs):
        note(f"{n_left_out:,} of {len(every):,} pairs are longer than the context: left out")
    return pairs, len(every) - len(pairs)


@contextmanager
def _comparing(subject: Subject, pairs: Pairs) -> Iterator[Advance]:
    with (
        memory_errors("many answers at once", "free some memory", subject.loaded.device),
        progress("comparing", len(pairs), "pairs") as advance,
    ):
        yield advance
