"""The questions of masked data, and its pairs of answers: where they are in a split.

A question is a document up to its last run of tokens that count; the reference answer is that
run, up to the first token that ends an answer. Q questions, P pairs.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gptcli.data.token_split import TokenSplit
from gptcli.errors import DataError

Positions = NDArray[np.int64]

_CHOSEN, _REJECTED = 1, 2
_LEAST_ROOM, _ROOM = 8, 1.25  # tokens for an answer; as a multiple of the longest reference
_TOKENS_AT_ONCE = 2**22


@dataclass(frozen=True)
class QuestionBatch:
    """Some questions as token ids: what is asked, and what would be right."""

    prompts: list[list[int]]
    references: list[list[int]]


@dataclass(frozen=True)
class Questions:
    """Question i: tokens ``starts[i]`` up to ``answers[i]``, its answer up to ``ends[i]``. (Q,)."""

    starts: Positions
    answers: Positions
    ends: Positions

    def __len__(self) -> int:
        """The number of questions."""
        return self.starts.size

    @property
    def longest_answer(self) -> int:
        """The number of tokens in the longest reference answer; 0 without any question."""
        return int((self.ends - self.answers).max(initial=0))

    def room_in(self, context: int) -> int:
        """How many tokens an answer may have in a context, unless that is told.

        A quarter more than the longest reference answer has, and at least 8; but only as many
        more as no question is left out for.
        """
        prompts, answers = self.answers - self.starts, self.ends - self.answers
        longest_prompt = int(prompts[prompts + answers <= context].max(initial=0))
        most = max(context - longest_prompt, self.longest_answer)
        return min(most, max(_LEAST_ROOM, int(_ROOM * self.longest_answer)))

    def at(self, numbers: Positions | slice) -> "Questions":
        """The questions of these numbers, counted from 0."""
        return Questions(self.starts[numbers], self.answers[numbers], self.ends[numbers])

    def fitting(self, context: int, max_new_tokens: int) -> "Questions":
        """The questions that leave room for so many new tokens in a context."""
        fits = self.answers - self.starts + max_new_tokens <= context
        return self.at(np.flatnonzero(fits))

    def read(self, split: TokenSplit) -> QuestionBatch:
        """The ids of all of these questions, read from their split."""
        prompts, references = [], []
        spans = (self.starts.tolist(), self.answers.tolist(), self.ends.tolist())
        for start, answer, end in zip(*spans, strict=True):
            ids = split.read(start, end - start).tolist()
            prompts.append(ids[: answer - start])
            references.append(ids[answer - start :])
        return QuestionBatch(prompts, references)


@dataclass(frozen=True)
class Pairs:
    """Pair i: a prompt from ``starts[i]``, then the chosen answer from ``chosen[i]``. (P,).

    The rejected answer stands from ``rejected[i]`` up to ``ends[i]``.
    """

    starts: Positions
    chosen: Positions
    rejected: Positions
    ends: Positions

    def __len__(self) -> int:
        """The number of pairs."""
        return self.starts.size

    @property
    def lengths(self) -> Positions:
        """The number of tokens of each prompt with the longer of its answers: (P,)."""
        longer = np.maximum(self.rejected - self.chosen, self.ends - self.rejected)
        lengths: Positions = self.chosen - self.starts + longer
        return lengths

    def at(self, numbers: Positions | slice) -> "Pairs":
        """The pairs of these numbers, counted from 0."""
        return Pairs(
            self.starts[numbers], self.chosen[numbers], self.rejected[numbers], self.ends[numbers]
        )

    def fitting(self, context: int) -> "Pairs":
        """The pairs of which both answers fit into a context behind their prompt."""
        return self.at(np.flatnonzero(self.lengths <= context))


def questions_of(split: TokenSplit, end_ids: Collection[int] = ()) -> Questions:
    """Find the questions of a masked split; documents without a prompt or an answer have none.

    ``end_ids`` are the tokens that end an answer: what counts behind the first of them, a line
    break of a template for example, is not part of it.
    """
    parts = [_questions(split, part, end_ids) for part in _parts(split)]
    return Questions(*(np.concatenate([part[i] for part in parts]) for i in range(3)))


def pairs_of(split: TokenSplit) -> Pairs:
    """Find the pairs of a split that holds them: marks 0 of the prompt, then 1, then 2."""
    parts = [_pairs(split, part) for part in _parts(split)]
    return Pairs(*(np.concatenate([part[i] for part in parts]) for i in range(4)))


def _parts(split: TokenSplit) -> Iterator[Positions]:
    """The boundaries of the documents, some at once: their starts, and the end of the last."""
    boundaries = np.append(split.document_starts, split.n_tokens)
    first, last = 0, boundaries.size - 1
    while first < last:
        reached = np.searchsorted(boundaries, boundaries[first] + _TOKENS_AT_ONCE, side="right") - 1
        stop = min(max(int(reached), first + 1), last)
        yield boundaries[first : stop + 1]
        first = stop
    if not last:
        yield boundaries[:1]


def _questions(
    split: TokenSplit, boundaries: Positions, end_ids: Collection[int]
) -> tuple[Positions, Positions, Positions]:
    """Starts, answers and ends of the questions of the documents between ``boundaries``."""
    origin = int(boundaries[0])
    starts, n_tokens = boundaries[:-1] - origin, int(boundaries[-1]) - origin
    counts = split.read_marks(origin, n_tokens) == _CHOSEN
    begins = counts & ~np.append(False, counts[:-1])
    begins[starts] = counts[starts]  # a run does not go on from one document to the next
    answers = _last_place(begins, starts)
    ends = _last_place(counts, starts) + 1
    kept = answers > starts
    starts, answers, ends = starts[kept], answers[kept], ends[kept]
    if end_ids:
        is_end = np.isin(split.read(origin, n_tokens), list(end_ids))
        ends = np.minimum(ends, _next_place(is_end, answers) + 1)
    return starts + origin, answers + origin, ends + origin


def _pairs(
    split: TokenSplit, boundaries: Positions
) -> tuple[Positions, Positions, Positions, Positions]:
    origin = int(boundaries[0])
    starts, n_tokens = boundaries[:-1] - origin, int(boundaries[-1]) - origin
    marks = split.read_marks(origin, n_tokens)
    chosen, rejected = (_next_place(marks == one, starts) for one in (_CHOSEN, _REJECTED))
    ends = boundaries[1:] - origin
    if (bad := (chosen >= rejected) | (rejected >= ends)).any():
        raise DataError(
            f"the document at token {boundaries[int(bad.argmax())]:,} is damaged: it is no prompt "
            "with a chosen and a rejected answer: run `gptcli prepare` again"
        )
    return starts + origin, chosen + origin, rejected + origin, boundaries[1:]


def _last_place(flags: NDArray[np.bool_], starts: Positions) -> Positions:
    """The last place of each document, from ``starts``, where a flag is set; -1 without any."""
    places = np.flatnonzero(flags)
    if not places.size:
        return np.full(starts.size, -1)
    before = np.searchsorted(places, np.append(starts[1:], flags.size)) - 1
    last = places[np.maximum(before, 0)]
    return np.where((before >= 0) & (last >= starts), last, -1)


def _next_place(flags: NDArray[np.bool_], starts: Positions) -> Positions:
    """The first place from each of ``starts`` on where a flag is set, else the end of all."""
    places = np.append(np.flatnonzero(flags), flags.size)
    return places[np.searchsorted(places, starts)]
