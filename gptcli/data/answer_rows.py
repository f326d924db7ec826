"""Prompts and their answers as rows of equal length, for models that learn from or judge them.

B rows, T tokens in the longest row, A tokens in the longest answer.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gptcli.data.questions import Pairs
from gptcli.data.token_split import TokenSplit

_FILLING = 0  # any id: a causal model does not see what follows


@dataclass(frozen=True)
class AnswerRows:
    """Each row of ``ids`` (B, T) is a prompt and its answer, filled up on the right.

    The answer of a row is from ``starts`` to before ``ends``, (B,) each. It has a token, and one
    stands before it, from which its first token is predicted.
    """

    ids: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    def __post_init__(self) -> None:
        assert (self.starts > 0).all(), "an answer's first token is predicted from one before it"
        assert (self.starts < self.ends).all(), "an answer has a token"

    @classmethod
    def of(cls, prompts: Sequence[ArrayLike], answers: Sequence[ArrayLike]) -> "AnswerRows":
        """The rows of as many prompts as answers; an answer ends behind its end token.

        Where a prompt is empty the first token of the answer takes its place.
        """
        starts = np.array([max(1, len(np.atleast_1d(one))) for one in prompts], np.int64)
        rows = [np.concatenate(pair) for pair in zip(prompts, answers, strict=True)]
        ends = np.array([len(row) for row in rows], np.int64)
        ids = np.full((len(rows), ends.max(initial=0)), _FILLING, np.int64)
        for place, row in zip(ids, rows, strict=True):
            place[: len(row)] = row
        return cls(ids, starts, ends)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, rows: slice | NDArray[np.int64] | NDArray[np.bool_]) -> "AnswerRows":
        """Some of the rows, no wider than they need to be."""
        ends = self.ends[rows]
        return AnswerRows(self.ids[rows, : ends.max(initial=0)], self.starts[rows], ends)

    @property
    def n_tokens(self) -> NDArray[np.int64]:
        """The number of tokens of each answer, (B,)."""
        return self.ends - self.starts

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """Whether an answer has a token there, (B, A)."""
        places = np.arange(self.n_tokens.max(initial=0))
        has: NDArray[np.bool_] = places < self.n_tokens[:, None]
        return has

    @property
    def places(self) -> NDArray[np.int64]:
        """Where the answers' tokens stand in the flattened ids, row after row, (N,)."""
        rows, columns = self.mask.nonzero()
        found: NDArray[np.int64] = rows * self.ids.shape[1] + self.starts[rows] + columns
        return found


def similar_lengths(
    lengths: NDArray[np.int64], most_tokens: float, most_rows: float = math.inf
) -> Iterator[NDArray[np.int64]]:
    """The numbers of rows that are computed together: of similar length, so that little fills up.

    They have at most ``most_tokens``, with what fills up the shorter ones, and there are at most
    ``most_rows`` of them; one at least.
    """
    order = np.argsort(lengths, kind="stable")
    in_order, first = lengths[order], 0
    while first < len(order):
        last = first + 1
        while last < len(order) and last - first < most_rows:
            if (last + 1 - first) * in_order[last] > most_tokens:
                break
            last += 1
        yield order[first:last]
        first = last


def rows_of_pairs(split: TokenSplit, pairs: Pairs) -> AnswerRows:
    """Each prompt with its chosen answer, then each with its rejected one: (2P, T)."""
    prompts, chosen, rejected = (list[NDArray[np.int64]]() for _ in range(3))
    places = (pairs.starts, pairs.chosen, pairs.rejected, pairs.ends)
    for start, *cuts, end in zip(*(one.tolist() for one in places), strict=True):
        parts = np.split(split.read(start, end - start), [cut - start for cut in cuts])
        for part, kept in zip(parts, (prompts, chosen, rejected), strict=True):
            kept.append(part)
    return AnswerRows.of(prompts * 2, chosen + rejected)
